import { abortable, deadline } from '../kernel/abort.js';
import { type Clock, sleep } from '../kernel/clock.js';
import { isConnectedTo, type RedisClient, type RedisClusterClient } from './client.js';
import { isRefusal } from './errors.js';

type Client = RedisClient | RedisClusterClient;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const QUIT_MS = 500;
const CUT_MS = 250;

/** What a link connects, and who hears of it. */
export interface LinkInit {
  readonly clock: Clock;
  /** Bounds one attempt, from opening to readiness. */
  readonly attemptTimeoutMs: number;
  /** Gives the client to connect, configured to neither retry nor queue. */
  open(): Promise<Client>;
  /** Makes a fresh connection fit for use; a rejection ends it. */
  ready(client: Client): Promise<void>;
  /** A connection that was made ready has ended. */
  ended(cause: unknown): void;
  /** An attempt has failed; `refused` when further ones will fail, too. */
  failed(cause: unknown, refused: boolean): void;
}

/**
 * Keeps one connection: makes it, notices its end, makes it again, with growing and jittered pauses.
 *
 * Everything is bounded: neither a server that accepts and never answers nor one that never closes holds it up.
 */
export class Link {
  readonly #init: LinkInit;
  readonly #closing = new AbortController();
  #keeping: Promise<void> | undefined;
  #client: Client | undefined;
  #end: (cause: unknown) => void = () => undefined;

  constructor(init: LinkInit) {
    this.#init = init;
  }

  /** Begins to connect. Idempotent. */
  start(): void {
    this.#keeping ??= this.#keep();
  }

  /** Ends the connection that there is, or the attempt to make one, so that a new one is made. */
  renew(cause: unknown): void {
    this.#end(cause);
  }

  /** The sentinels name this master now: ends a connection to any other. */
  follow(host: string, port: number): void {
    if (this.#client !== undefined && !isConnectedTo(this.#client as RedisClient, host, port)) {
      this.renew(new Error(`the sentinels name ${host}:${port} as master now`));
    }
  }

  /** Takes leave within a bounded time and connects no more. Idempotent. */
  async close(): Promise<void> {
    const client = this.#client;
    if (!this.#closing.signal.aborted && client !== undefined) {
      await within(this.#init.clock, QUIT_MS, client.quit()).catch(() => undefined);
    }
    this.#closing.abort();
    this.#end(this.#closing.signal.reason);
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { clock } = this.#init;
    const { signal } = this.#closing;
    let failures = 0;
    while (!signal.aborted) {
      failures = (await this.#connect()) ? 0 : failures + 1;
      const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
      await sleep(clock, pauseMs * (0.75 + Math.random() / 2), { signal }).catch(() => undefined);
    }
  }

  /** One life of the connection. Tells whether it was ever ready. */
  async #connect(): Promise<boolean> {
    const { clock, attemptTimeoutMs, open, ready } = this.#init;
    const attempt = new AbortController();
    const noAnswer = () => new Error(`no connection within ${attemptTimeoutMs} ms`);
    const limit = deadline(clock, attemptTimeoutMs, noAnswer, attempt.signal);
    let client: Client | undefined;
    let reported: unknown; // what the client says on its `error` event is better than what it rejects with
    const onError = (cause: unknown) => {
      reported = cause;
    };
    const onEnd = () => this.#end(reported ?? new Error('the connection was closed'));
    const ended = new Promise<unknown>((resolve) => {
      this.#end = (cause) => {
        attempt.abort(cause);
        resolve(cause);
      };
    });
    try {
      client = await abortable(open(), limit.signal);
      this.#client = client;
      client.on('error', onError);
      client.on('end', onEnd);
      await abortable(client.connect(), limit.signal);
      // A refused database number is reported, and the connection goes on in the wrong database.
      if (isRefusal(reported)) throw reported;
      await abortable(ready(client), limit.signal);
      limit[Symbol.dispose]();
      reported = undefined;
      this.#init.ended(await ended);
      return true;
    } catch (cause) {
      const why = isRefusal(cause) ? cause : (reported ?? cause);
      if (!this.#closing.signal.aborted) this.#init.failed(why, isRefusal(why));
      return false;
    } finally {
      limit[Symbol.dispose]();
      this.#client = undefined;
      client?.off('error', onError);
      client?.off('end', onEnd);
      if (client !== undefined) await cut(clock, client);
    }
  }
}

/** Destroys the client's sockets, and waits a moment for it to notice: it must not take its old end for its next one. */
async function cut(clock: Clock, client: Client): Promise<void> {
  if (client.status === 'end' || client.status === 'wait') return;
  let onEnd: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    onEnd = resolve;
  });
  client.on('end', onEnd);
  client.disconnect();
  await within(clock, CUT_MS, ended).catch(() => undefined);
  client.off('end', onEnd);
}

async function within<T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T> {
  const limit = deadline(clock, timeoutMs, () => new Error(`not done within ${timeoutMs} ms`));
  try {
    return await abortable(work, limit.signal);
  } finally {
    limit[Symbol.dispose]();
  }
}
