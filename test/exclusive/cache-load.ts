import type { Cache, CacheOptions } from '@pando/core/cache';
import { CacheRoom } from '../../packages/core/src/cache/cache.js';
import { RedisLevel } from '../../packages/core/src/cache/drivers/redis.js';
import { createSieveLevel } from '../../packages/core/src/cache/drivers/sieve.js';
import { resolveCacheOptions } from '../../packages/core/src/cache/options.js';
import type { SharedLevel } from '../../packages/core/src/cache/ports.js';
import { type CacheRules, soundRules } from '../../packages/core/src/cache/rules.js';
import { createKernel, type Kernel } from '../../packages/core/src/kernel/kernel.js';
import type { Meter } from '../../packages/core/src/kernel/meter.js';
import { emptyToken, mergeTokens, type Token } from '../../packages/core/src/kernel/token.js';
import { createRedisFloor, type RedisFloor } from '../../packages/core/src/redis/index.js';

/** One process' worth of cache, with connections of its own. */
export interface LoadedInstance extends AsyncDisposable {
  readonly cache: Cache;
  readonly kernel: Kernel;
  readonly redis: RedisFloor;
}

/** What makes an instance differ from the others. */
export interface Deviations {
  /** Over ours. */
  readonly options?: CacheOptions | undefined;
  /** Tags that Redis remembers. */
  readonly maxTags?: number | undefined;
  readonly meter?: Meter | undefined;
  /** Puts something between the instance and its shared level. */
  readonly level?: ((sound: SharedLevel) => SharedLevel) | undefined;
}

/** Starts one, rules replaced that a test wants to see missing. Values live so long that nothing is ever helped by expiry. */
export async function startInstance(
  url: string,
  name: string,
  rules: Partial<CacheRules> = {},
  { options: over, maxTags, meter, level = (sound) => sound }: Deviations = {},
): Promise<LoadedInstance> {
  const kernel = createKernel({ name, meter });
  const redis = createRedisFloor(url, kernel);
  const options = resolveCacheOptions({ ttlMs: 3_600_000, doubtMs: 1, ...over });
  const onError = (cause: unknown) => {
    throw cause;
  };
  const cache = new CacheRoom({
    kernel,
    options,
    level: level(new RedisLevel(redis, { ownsFloor: false, doubtMs: options.doubtMs, maxTags, onError })),
    local: createSieveLevel({ maxEntries: 10_000, maxBytes: 2 ** 24 }),
    rules: { ...soundRules, ...rules },
  });
  await redis.start();
  await cache.start();
  return {
    cache,
    kernel,
    redis,
    async [Symbol.asyncDispose]() {
      await cache.close();
      await redis.close();
    },
  };
}

/** A read that was served less than it had a claim to. */
export interface StaleRead {
  readonly reader: 'with token' | 'without token';
  readonly key: string;
  readonly served: number;
  readonly demanded: number;
}

/** What a load has done so far. */
export interface LoadReport {
  reads: number;
  loads: number;
  writes: number;
  unconfirmed: number;
  /** Operations that rejected: the cache must not add failures of its own. */
  failures: unknown[];
  stale: StaleRead[];
}

/** How load is put on. */
export interface RandomLoadOptions {
  readonly random: () => number;
  /** After that long everybody must see what was confirmed; `undefined`: only who holds its token. */
  readonly boundMs?: number | undefined;
}

interface Confirmed {
  readonly at: number;
  readonly version: number;
}

/**
 * Clients that write and read increasing numbers through several instances, each with its own token.
 *
 * The numbers themselves live in this process and are always up to date: whatever is stale comes out of the cache.
 */
export class RandomLoad {
  readonly report: LoadReport = { reads: 0, loads: 0, writes: 0, unconfirmed: 0, failures: [], stale: [] };
  readonly #instances: readonly LoadedInstance[];
  readonly #options: RandomLoadOptions;
  readonly #keys = Array.from({ length: 8 }, (_, index) => `key:${index}`);
  readonly #registers = new Map<string, number>();
  readonly #confirmed = new Map<string, Confirmed[]>();
  #version = 0;
  #stopped = false;
  #clients: Promise<void>[] = [];

  constructor(instances: readonly LoadedInstance[], options: RandomLoadOptions) {
    this.#instances = instances;
    this.#options = options;
  }

  start(clients = 12): void {
    this.#clients = Array.from({ length: clients }, () => this.#client());
  }

  async stop(): Promise<LoadReport> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    return this.report;
  }

  /** Whether everybody, on every instance and without a token, is served the newest of everything. */
  async isSettled(): Promise<boolean> {
    for (const instance of this.#instances) {
      for (const key of this.#keys) {
        const { value } = await this.#read(instance, key, emptyToken);
        if (value < (this.#registers.get(key) ?? 0)) return false;
      }
    }
    return true;
  }

  async #client(): Promise<void> {
    let token = emptyToken;
    const seen = new Map<string, number>();
    while (!this.#stopped) {
      const instance = this.#pick(this.#instances);
      const key = this.#pick(this.#keys);
      try {
        if (this.#options.random() < 0.15) {
          const version = ++this.#version;
          this.#registers.set(key, version);
          token = mergeTokens(token, await this.#write(instance, key, version, token));
          seen.set(key, version);
          await Promise.all(
            this.#instances.map(async (other) => {
              const { value } = await this.#read(other, key, token);
              this.#judge('with token', key, value, version);
            }),
          );
        } else {
          const demanded = seen.get(key) ?? 0;
          const reply = await this.#read(instance, key, token);
          this.#judge('with token', key, reply.value, demanded);
          token = reply.token;
          const overdue = this.#overdue(key);
          const { value } = await this.#read(instance, key, emptyToken);
          this.#judge('without token', key, value, overdue);
        }
      } catch (cause) {
        this.report.failures.push(cause);
      }
      await new Promise((resolve) => setTimeout(resolve, this.#options.random() * 4));
    }
  }

  async #write(
    { cache, kernel }: LoadedInstance,
    key: string,
    version: number,
    token: Token,
  ): Promise<Token> {
    const context = kernel.contexts.open({ id: 'write', signal: new AbortController().signal, token });
    const { confirmed } = await kernel.contexts.run(context, () => cache.invalidate([key]));
    this.report.writes++;
    if (!confirmed) this.report.unconfirmed++;
    else {
      const list = this.#confirmed.get(key) ?? [];
      this.#confirmed.set(key, list);
      list.push({ at: performance.now(), version });
    }
    return context.token;
  }

  async #read({ cache, kernel }: LoadedInstance, key: string, token: Token) {
    const context = kernel.contexts.open({ id: 'read', signal: new AbortController().signal, token });
    this.report.reads++;
    const value = await kernel.contexts.run(context, () =>
      cache.getOrLoad(key, async () => {
        this.report.loads++;
        const loaded = this.#registers.get(key) ?? 0;
        // The value is on its way for a while, so that invalidations overtake it.
        await new Promise((resolve) => setTimeout(resolve, this.#options.random() * 10));
        return loaded;
      }),
    );
    return { value, token: context.token };
  }

  #judge(reader: StaleRead['reader'], key: string, served: number, demanded: number): void {
    if (served < demanded) this.report.stale.push({ reader, key, served, demanded });
  }

  /** The newest version that everybody must see by now. */
  #overdue(key: string): number {
    const { boundMs } = this.#options;
    if (boundMs === undefined) return 0;
    const before = performance.now() - boundMs;
    return (this.#confirmed.get(key) ?? []).reduce(
      (newest, { at, version }) => (at < before ? Math.max(newest, version) : newest),
      0,
    );
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#options.random() * list.length)] as T;
  }
}
