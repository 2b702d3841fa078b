import type { PandoError } from '../kernel/errors.js';
import type { LiveState } from './api.js';
import { ConnectionFailedError, RefusedError } from './errors.js';
import type { Frame, Upward } from './frames.js';

/** A connection that comes back by itself. */
export interface Line {
  /** Whether its channels are the server's choice: it only listens. */
  readonly isOneWay: boolean;
  /** Sends, if there is a connection: false if not. */
  send(frame: Upward): boolean;
  /** Connects now, in place of any connection there is. */
  connect(): void;
  close(): void;
}

/** Who hears a line. */
export interface LineEvents {
  /** There is a connection, on which nothing is followed yet. */
  opened(): void;
  frame(frame: Frame): void;
  state(state: LiveState): void;
  failed(error: Error): void;
  /** From where channels are wanted that have not begun yet. */
  wanted(): Readonly<Record<string, string>>;
}

/** Who hears one connection. What is told after its end is not heard any more. */
export interface LinkEvents extends Pick<LineEvents, 'wanted' | 'opened' | 'frame'> {
  /** A sign of life. */
  heard(): void;
  /**
   * It is over: why, if it failed, and whether there is no point in trying again. `atLeastMs` is the least time to wait,
   * the same for everybody.
   */
  ended(error?: PandoError, isFinal?: boolean, atLeastMs?: number): void;
}

/** One connection, from its attempt to its end. */
export interface Link {
  send(frame: Upward): void;
  /** Ends it without a word to who listens. */
  close(): void;
}

/** How a connection is kept. */
export interface LineInit {
  readonly isOneWay: boolean;
  readonly idleMs: number;
  readonly credential: (() => string | Promise<string>) | undefined;
  /** How long to wait after so many failures. */
  delayMs(failures: number): number;
  open(events: LinkEvents, credential: string): Link;
}

type Timer = ReturnType<typeof setTimeout> | undefined;
type Listen = (type: 'online', listener: () => void) => void;

const authId = 'auth';
/** The longest time that a timer of a browser takes. */
const longestMs = 2 ** 31 - 1;

/** Keeps a connection, to whichever instance answers. */
export function keepLine(
  { isOneWay, idleMs, credential, delayMs, open }: LineInit,
  { opened, frame, state: tell, failed, wanted }: LineEvents,
): Line {
  const here = globalThis as { readonly addEventListener?: Listen; readonly removeEventListener?: Listen };
  let link: Link | undefined;
  let state: LiveState | undefined;
  let shown = '';
  /** Ends what waits: for the next attempt, and while connected for the credential to run out. */
  let timer: Timer;
  let watchdog: Timer;
  let heardAt: number;
  /** When the server wants to be asked again; it has spread its clients already. */
  let afterMs: number | undefined;
  /** What began before is not wanted any more. */
  let attempts = 0;
  let failures = 0;
  /** Whether the credential was refused last time: another one may help, a third will not. */
  let wasRefused = false;

  const enter = (next: LiveState): void => {
    state = next;
    tell(next);
  };
  const introduce = (): void => {
    if (shown) link?.send({ t: 'auth', id: authId, credential: shown });
  };
  const wait = (waitMs: number, run: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(run, Math.min(waitMs, longestMs));
  };
  const heard = (): void => {
    heardAt = performance.now();
  };
  /** Notices when nothing is heard any more. One timer, however much comes. */
  const watch = (): void => {
    watchdog = setTimeout(() => {
      watch();
      const silentMs = performance.now() - heardAt;
      if (silentMs >= idleMs) ended(new ConnectionFailedError('Silence.'));
      else if (silentMs * 3 >= idleMs) send({ t: 'ping' }); // pings of the protocol itself are not to be seen here
    }, idleMs / 3);
  };
  const drop = (): void => {
    attempts++;
    clearTimeout(timer);
    clearTimeout(watchdog);
    link?.close();
    link = undefined;
  };
  const send = (frame: Upward): boolean => {
    const isOpen = state === 'open';
    if (isOpen) link?.send(frame);
    return isOpen;
  };
  const close = (): void => {
    drop();
    here.removeEventListener?.('online', onOnline);
    enter('closed');
  };
  /** Asks who this is, and goes on unless something else has begun meanwhile. */
  const identify = async (then: () => void, onError: (error: PandoError) => void): Promise<void> => {
    const attempt = attempts;
    try {
      await undefined; // whoever else wants it in this turn gets the same one
      const given = attempt === attempts && (await credential?.());
      if (attempt !== attempts) return;
      shown = given || '';
      then();
    } catch (cause) {
      if (attempt === attempts) onError(new ConnectionFailedError(`No attempt: ${cause}.`, cause));
    }
  };
  const connect = (): void => {
    if (state === 'closed') return;
    drop();
    enter('connecting');
    void identify(() => {
      const attempt = attempts;
      const current =
        <A extends unknown[]>(listener: (...args: A) => void) =>
        (...args: A): void => {
          if (attempt === attempts) listener(...args);
        };
      afterMs = undefined;
      heard();
      watch();
      link = open(
        {
          wanted,
          heard,
          opened: current(() => {
            heard();
            state = 'open';
            introduce(); // before anything is asked: a browser's WebSocket had no other way to say it
            opened();
            tell(state);
          }),
          frame: current(take),
          ended: current(ended),
        },
        shown,
      );
    }, ended);
  };
  const take = (received: Frame): void => {
    heard();
    if (received.t === 'bye') {
      afterMs = received.afterMs;
    } else if (received.t === 'auth') {
      // The server knows who this is until then, and without a time asks.
      const { id, expiresAt = id ? NaN : 0 } = received;
      // Not all at the same instant, and early enough for an answer that takes its time.
      const waitMs = Math.max(0, (expiresAt - Date.now()) * (0.8 + 0.1 * Math.random()));
      if (waitMs >= 0) wait(waitMs, () => void identify(introduce, failed));
    } else if (received.t !== 'err' || received.id !== authId) {
      // What a refusal of that means, the server says by ending the connection.
      failures = 0;
      wasRefused = false;
      frame(received);
    }
  };
  const ended = (error?: PandoError, isFinal = error instanceof RefusedError, atLeastMs = 0): void => {
    drop();
    const isUnauthorized = error?.status === 401;
    const isOver = isFinal && !(isUnauthorized && credential && !wasRefused);
    wasRefused = isUnauthorized;
    if (isOver) close();
    if (error && isOver === isFinal) failed(error);
    if (isOver) return;
    const waitMs = Math.max(afterMs ?? delayMs(failures), atLeastMs * (1 + 0.5 * Math.random()));
    failures++;
    enter('waiting');
    wait(waitMs, connect);
  };
  const onOnline = (): void => {
    if (state === 'waiting') connect();
  };
  here.addEventListener?.('online', onOnline);
  return { isOneWay, send, connect, close };
}
