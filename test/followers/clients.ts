/*
 * What clients do, in Node and in a browser's page alike: a page gets the text of these functions, so they stand on nothing
 * but their arguments.
 */

/** What a client tells of what it hears; `open` for a new connection, `gave-up` when it will make no other one. */
export type Tell = (kind: string, ...details: readonly unknown[]) => void;

/** An `EventSource`, as far as it is used here. */
export interface Source {
  readonly readyState: number;
  onopen: unknown;
  onerror: unknown;
  addEventListener(type: string, listener: (event: { data: string; lastEventId: string }) => void): void;
  close(): void;
}

/** A `WebSocket`, as far as it is used here. */
export interface SocketLike {
  readonly readyState: number;
  onopen: unknown;
  onmessage: unknown;
  onerror: unknown;
  onclose: unknown;
  send(text: string): void;
  close(): void;
}

/** Follows a stream, as any page does: the rest is the `EventSource`'s own affair. */
export function followStream(
  EventSource: new (url: string) => Source,
  url: string,
  tell: Tell,
): { close(): void } {
  const source = new EventSource(url);
  source.onopen = () => tell('open');
  source.onerror = () => tell(source.readyState === 2 ? 'gave-up' : 'closed');
  for (const type of ['message', 'reset', 'cursor'])
    source.addEventListener(type, ({ data, lastEventId }) => tell(type, data, lastEventId));
  return source;
}

/** Follows channels over a WebSocket, as the protocol's page says: keeps positions, and comes back with them. */
export function followSocket(
  WebSocket: new (url: string, protocol: string) => SocketLike,
  urls: readonly string[],
  channels: readonly string[],
  tell: Tell,
  positions: Record<string, string> = {},
): { close(): void; cut(): void; leave(): void; comeBack(): void; again(): void } {
  let attempts = 0;
  let isClosed = false;
  let socket: SocketLike;
  const subscribe = (some: readonly string[]) => {
    for (const channel of some) if (positions[channel] === undefined) tell('fresh', channel);
    socket.send(JSON.stringify({ t: 'sub', id: attempts, c: some, since: positions }));
  };
  const open = () => {
    let waitMs = 20;
    socket = new WebSocket(urls[attempts++ % urls.length] as string, 'pando.v1');
    socket.onopen = () => {
      tell('open');
      subscribe(channels);
    };
    socket.onmessage = ({ data }: { data: string }) => {
      const frame = JSON.parse(data);
      if (frame.t === 'bye') waitMs = frame.afterMs;
      else if (frame.t === 'unsub') subscribe([frame.c]);
      else {
        if (frame.i !== undefined) positions[frame.c] = frame.i;
        tell('frame', frame);
      }
    };
    socket.onerror = () => undefined;
    socket.onclose = ({ code }: { code: number }) => {
      tell('closed', code);
      if (!isClosed) setTimeout(open, waitMs);
    };
  };
  open();
  return {
    close() {
      isClosed = true;
      socket.close();
    },
    cut: () => socket.close(),
    leave() {
      isClosed = true;
      socket.close();
    },
    comeBack() {
      isClosed = false;
      open();
    },
    /** Leaves its channels and subscribes anew, from where it was, if it is connected. */
    again() {
      if (socket.readyState !== 1) return;
      // Messages come until this is answered: only then it is known from where to go on.
      socket.send(JSON.stringify({ t: 'unsub', id: attempts, c: channels }));
    },
  };
}
