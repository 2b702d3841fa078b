import { abortable, deadline } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import type { Commands } from './commands.js';
import { RedisUnavailableError } from './errors.js';
import type { RedisArgument, RedisCallOptions, RedisCopies, RedisScript } from './ports.js';
import type { Scripts } from './scripts.js';

/** What confirmed scripts stand on. */
export interface ConfirmedScriptsInit {
  readonly clock: Clock;
  readonly server: string;
  /** What a call may take besides the waiting. */
  readonly commandTimeoutMs: number;
  /** How long the first call waits for the connection. */
  readonly connectTimeoutMs: number;
  /** A connection of its own: Redis serves nothing else on it while somebody waits. */
  connect(up: () => void): { readonly commands: Commands; readonly scripts: Scripts };
}

/** Runs scripts, and waits until replicas have what they wrote. Connects when it is first used. */
export class ConfirmedScripts {
  readonly #init: ConfirmedScriptsInit;
  #connection: ReturnType<ConfirmedScriptsInit['connect']> | undefined;
  #connected: Promise<void> | undefined;
  #isClosed = false;

  constructor(init: ConfirmedScriptsInit) {
    this.#init = init;
  }

  async run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    { replicas, timeoutMs }: RedisCopies,
    { signal, ...options }: RedisCallOptions = {},
  ): Promise<unknown> {
    const { commandTimeoutMs } = this.#init;
    const { scripts } = this.#open();
    await abortable(this.#connected ?? Promise.resolve(), signal);
    const [reply, copies] = await scripts.runThen(['WAIT', replicas, timeoutMs], script, keys, args, {
      ...options,
      signal,
      timeoutMs: commandTimeoutMs + timeoutMs,
    });
    if (Number(copies) >= replicas) return reply;
    throw new RedisUnavailableError(
      `${Number(copies)} of ${replicas} replicas of ${this.#init.server} had what was written within ${timeoutMs} ms. It is written; whether it outlives a failover is open.`,
      { sent: true },
    );
  }

  /** The master is at this address now: leaves any other. */
  follow(host: string, port: number): void {
    this.#connection?.commands.follow(host, port);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection?.commands.close();
  }

  #open(): ReturnType<ConfirmedScriptsInit['connect']> {
    if (this.#connection !== undefined) return this.#connection;
    const { clock, connectTimeoutMs, connect } = this.#init;
    let up = (): void => undefined;
    const connected = new Promise<void>((resolve) => {
      up = resolve;
    });
    const connection = connect(up);
    this.#connection = connection;
    const patience = deadline(clock, connectTimeoutMs, () => new Error('not connected in time'));
    this.#connected = abortable(connected, patience.signal)
      .catch(() => undefined) // the call itself says why there is no connection
      .finally(() => patience[Symbol.dispose]());
    if (this.#isClosed) void connection.commands.close();
    else connection.commands.start();
    return connection;
  }
}
