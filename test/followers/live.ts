import type { connect } from '@pando/core/client';
import type { Tell } from './clients.js';
import { Ear } from './ears.js';

/** Follows channels with the library's own client; a page gets the text of this function. */
export function followLive(
  connectTo: typeof connect,
  url: string,
  channels: readonly string[],
  tell: Tell,
  options: Parameters<typeof connect>[1] = {},
  positions: Readonly<Record<string, string>> = {},
): { close(): void } {
  const live = connectTo(url, { minDelayMs: 10, maxDelayMs: 500, ...options });
  live.on('state', (state) => tell(state === 'waiting' ? 'lost' : state));
  live.on('error', () => undefined);
  for (const channel of channels) {
    const since = positions[channel];
    if (since === undefined) tell('fresh', channel);
    live.subscribe<{ n: number }>(channel, {
      since,
      onMessage: ({ position, data }) => tell('message', channel, position, data.n),
      onReset: ({ reason }) => tell('reset', channel, reason),
    });
  }
  return live;
}

/** What the library's own client tells: each message once, whatever the transport. */
export class LiveEar extends Ear {
  override hear(kind: string, ...details: readonly unknown[]): void {
    // When it is closed by hand, that is no giving up.
    super.hear(kind === 'lost' ? 'closed' : kind === 'closed' ? 'gave-up' : kind);
    const [channel, what, n] = details as [string, string, number];
    if (kind === 'fresh') this.listener.begin(channel);
    else if (kind === 'message') this.listener.message(channel, what, n);
    else if (kind === 'reset') this.listener.reset(channel, what);
  }
}
