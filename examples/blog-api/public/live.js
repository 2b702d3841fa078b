// What happens elsewhere, over one stream: it comes back by itself, to whichever instance answers, and goes on where it was.

import { showAnswer, showStream } from './instances.js';
import { connect } from './pando-client.js';

let live;
let address; // of the stream: which channels it has
let holder; // the instance that it is on
let listeners = new Map(); // by channel

/** Answers tell which instance they are from. */
async function watchedFetch(...request) {
  const response = await fetch(...request);
  const instance = response.headers.get('x-pando-instance');
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) holder = instance;
  else showAnswer(instance);
  return response;
}

/** Asks with all that this page has seen: no instance answers with anything older. */
export const request = (...asked) => (live?.fetch ?? watchedFetch)(...asked);

/** Follows these channels, which `url` stands for. Those of before go on without a gap. `onOpen()`: there is a connection. */
export function listen(url, channels, onOpen) {
  address = url;
  const before = listeners;
  if (live === undefined) {
    live = connect(() => address, { name: 'blog', fetch: watchedFetch });
    live.on('state', (state) => {
      if (state === 'open') showStream('live', holder);
      else if (state !== 'connecting') showStream('lost');
      if (state === 'open') onOpen();
    });
    // Whatever goes wrong, the page shows that it reconnects, or what could not be read.
    live.on('error', () => undefined);
  } else live.reconnect();
  listeners = new Map(
    Object.entries(channels).map(([channel, options]) => [
      channel,
      before.get(channel) ?? live.subscribe(channel, options),
    ]),
  );
  for (const [channel, subscription] of before) if (!listeners.has(channel)) subscription.close();
}
