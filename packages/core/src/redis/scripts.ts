import { createHash } from 'node:crypto';
import type { Clock } from '../kernel/clock.js';
import type { Commands } from './commands.js';
import { RedisReplyError } from './errors.js';
import type { RedisArgument, RedisCallOptions, RedisCommand, RedisScript } from './ports.js';

/** Runs scripts by hash, and by source where the server does not know the hash yet. */
export class Scripts {
  readonly #commands: Commands;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #hashes = new WeakMap<RedisScript, string>();

  constructor(commands: Commands, clock: Clock, timeoutMs: number) {
    this.#commands = commands;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    options: RedisCallOptions = {},
  ): Promise<unknown> {
    return this.#attempt(script, keys, args, options, (command, within) =>
      this.#commands.call(command, within, true),
    );
  }

  /** Sends a command right behind the script, on the same connection; gives the replies of both. */
  runThen(
    next: RedisCommand,
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    options: RedisCallOptions = {},
  ): Promise<readonly unknown[]> {
    return this.#attempt(script, keys, args, options, (command, within) =>
      this.#commands.batch([command, next], within),
    );
  }

  async #attempt<Reply>(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    options: RedisCallOptions,
    send: (command: RedisCommand, options: RedisCallOptions) => Promise<Reply>,
  ): Promise<Reply> {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    const startedAt = this.#clock.monotonic();
    try {
      return await send(
        ['EVALSHA', this.#hashOf(script), script.keyCount ?? keys.length, ...keys, ...args],
        options,
      );
    } catch (cause) {
      if (!(cause instanceof RedisReplyError && cause.kind === 'NOSCRIPT')) throw cause;
      // Both attempts share one deadline.
      const remainingMs = Math.max(1, timeoutMs - (this.#clock.monotonic() - startedAt));
      const rest = { ...options, timeoutMs: remainingMs };
      return await send(['EVAL', script.source, script.keyCount ?? keys.length, ...keys, ...args], rest);
    }
  }

  #hashOf(script: RedisScript): string {
    let hash = this.#hashes.get(script);
    if (hash === undefined) {
      hash = createHash('sha1').update(script.source).digest('hex');
      this.#hashes.set(script, hash);
    }
    return hash;
  }
}
