import { createHash } from 'node:crypto';
import type { Clock } from '../kernel/clock.js';
import type { Commands } from './commands.js';
import { RedisReplyError } from './errors.js';
import type { RedisArgument, RedisCallOptions, RedisScript } from './ports.js';

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

  async run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    options: RedisCallOptions = {},
  ): Promise<unknown> {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    const startedAt = this.#clock.monotonic();
    try {
      return await this.#commands.call(
        ['EVALSHA', this.#hashOf(script), script.keyCount, ...keys, ...args],
        options,
        true,
      );
    } catch (cause) {
      if (!(cause instanceof RedisReplyError && cause.kind === 'NOSCRIPT')) throw cause;
      // Both attempts share one deadline.
      const remainingMs = Math.max(1, timeoutMs - (this.#clock.monotonic() - startedAt));
      const rest = { ...options, timeoutMs: remainingMs };
      return await this.#commands.call(
        ['EVAL', script.source, script.keyCount, ...keys, ...args],
        rest,
        true,
      );
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
