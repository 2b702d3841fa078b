import { CacheRoom } from '../cache/cache.js';
import { createMemoryWorld, MemoryLevel, type MemoryWorld } from '../cache/drivers/memory.js';
import { createSieveLevel } from '../cache/drivers/sieve.js';
import type { Cache, CacheOptions, Invalidation, SharedLevel } from '../cache/index.js';
import { resolveCacheOptions } from '../cache/options.js';
import type { MessageBus } from '../cache/ports.js';
import { type CacheRules, soundRules } from '../cache/rules.js';
import type { Clock } from '../kernel/clock.js';
import { createHistories, type DatabaseHistory } from '../kernel/histories.js';
import { createKernel, type Kernel } from '../kernel/kernel.js';
import type { Ledger } from '../kernel/ledger.js';
import { Revision } from '../kernel/revision.js';
import { type DbPosition, dbToken, emptyToken, isStrongToken, type Token } from '../kernel/token.js';

/** What the token of a finished request is, and what the request gave. */
export interface Reply<T> {
  readonly value: T;
  readonly token: Token;
}

/** One instance of a fleet: a cache with a kernel of its own. */
export interface FleetInstance {
  readonly cache: Cache;
  readonly kernel: Kernel;
  readonly level: MemoryLevel;
  /** The history that this instance finds the database on; undefined: it has none. */
  history: DatabaseHistory | undefined;
  /** Runs code as one request of somebody who holds the token. */
  request<T>(code: () => Promise<T> | T, token?: Token): Promise<Reply<T>>;
  /** Reads a register through the cache, tagged with its name. */
  read(key: string, token?: Token): Promise<Reply<number>>;
  /** Writes a register, then invalidates its tag: what a transaction does. */
  write(key: string, value: number, token?: Token): Promise<Reply<Invalidation>>;
  /** Writes a register, then expires its tag. */
  expire(key: string, value: number, token?: Token): Promise<Reply<Invalidation>>;
}

const at = (lsn: bigint) => ({ system: 'fake', timeline: 1, lsn });

/** Registers with a primary and one replica that lags at the test's will. */
export class FakeRegisters {
  readonly #log: { readonly key: string; readonly value: number }[] = [];
  replicaLsn = 0;
  /** Whether the replica has everything at once. */
  replicates = true;
  /** Whether reads tell how much they can have seen, as at level `monotonic`. */
  tellsBound = false;

  commit(key: string, value: number): Token {
    this.#log.push({ key, value });
    if (this.replicates) this.replicaLsn = this.#log.length;
    return dbToken({ shard: 'main', ...at(BigInt(this.#log.length)) });
  }

  /** Behind everything that was committed. */
  get position(): DbPosition {
    return { shard: 'main', system: 'fake', timeline: 1, lsn: BigInt(this.#log.length) };
  }

  catchUp(): void {
    this.replicaLsn = this.#log.length;
  }

  /** The newest value. */
  newest(key: string): number {
    return this.#at(key, this.#log.length);
  }

  /** Reads as the database room does: on the replica if that covers the context's token, on the primary otherwise. */
  read(kernel: Kernel, key: string, level: 'causal' | 'eventual' = 'causal'): number {
    const { token, load } = kernel.contexts.current();
    const lsn = BigInt(this.replicaLsn);
    const isBehind = token.db.some((position) => position.lsn > lsn);
    if (level === 'causal' && (isStrongToken(token) || isBehind)) {
      const upTo = this.tellsBound ? at(BigInt(this.#log.length)) : undefined;
      load?.noteRead({ shard: 'main', seen: 'primary', upTo });
      return this.newest(key);
    }
    load?.noteRead({ shard: 'main', seen: at(lsn), upTo: this.tellsBound ? at(lsn) : undefined });
    return this.#at(key, this.replicaLsn);
  }

  #at(key: string, lsn: number): number {
    return this.#log.slice(0, lsn).findLast((entry) => entry.key === key)?.value ?? 0;
  }
}

/** How a fleet is made. */
export interface CacheFleetOptions {
  readonly clock: Clock;
  readonly options?: CacheOptions | undefined;
  /** Replaces rules that a test wants to see missing. */
  readonly rules?: Partial<CacheRules> | undefined;
  /** Says which effects of transactions are still to be carried out. */
  readonly ledger?: Ledger | undefined;
  /** Where other services say what has changed. */
  readonly bus?: MessageBus | undefined;
  readonly maxTags?: number | undefined;
  readonly doubtMs?: number | undefined;
  readonly random?: (() => number) | undefined;
  /** How long calls are on their way to the shared level, and replies back. */
  readonly travel?: (() => Promise<void>) | undefined;
}

/** Several caches on one fake Redis and one fake database. */
export class CacheFleet {
  readonly registers = new FakeRegisters();
  readonly world: MemoryWorld;
  /** Decides what becomes of announcements; may call `deliver` whenever it likes. */
  carry: (deliver: () => void, to: SharedLevel) => void = (deliver) => queueMicrotask(deliver);
  readonly #options: CacheFleetOptions;
  #requests = 0;

  constructor(options: CacheFleetOptions) {
    const { clock, maxTags, doubtMs, travel } = options;
    this.#options = options;
    this.world = createMemoryWorld({
      clock,
      maxTags,
      doubtMs,
      travel,
      carry: (_, deliver, to) => this.carry(deliver, to),
    });
  }

  /** One more instance, started. */
  async instance(): Promise<FleetInstance> {
    const { clock, rules, options, bus, ledger, random = () => 0.5 } = this.#options;
    const kernel = createKernel({ name: 'fleet', clock });
    const level = new MemoryLevel(this.world);
    const revision = new Revision();
    const histories = createHistories(revision);
    const resolved = resolveCacheOptions(options);
    const local = resolved.local === false ? undefined : createSieveLevel(resolved.local);
    const cache = new CacheRoom({
      kernel,
      options: resolved,
      level,
      local,
      bus,
      ledger,
      histories,
      revision,
      random,
      rules: { ...soundRules, ...rules },
    });
    await cache.start();
    const request = async <T>(code: () => Promise<T> | T, token = emptyToken): Promise<Reply<T>> => {
      const id = `request-${++this.#requests}`;
      const context = kernel.contexts.open({ id, signal: new AbortController().signal, token });
      const value = await kernel.contexts.run(context, async () => code());
      return { value, token: context.token };
    };
    const writing =
      (verb: 'invalidate' | 'expire'): FleetInstance['write'] =>
      (key, value, token) =>
        request(() => {
          const written = this.registers.commit(key, value);
          kernel.contexts.current().wrote(written);
          return cache[verb]([key], { token: written });
        }, token);
    let history: DatabaseHistory | undefined;
    const instance: FleetInstance = {
      get history() {
        return history;
      },
      set history(other) {
        history = other;
        source.changed();
      },
      cache,
      kernel,
      level,
      request,
      read: (key, token) =>
        request(() => cache.getOrLoad(key, () => this.registers.read(kernel, key)), token),
      write: writing('invalidate'),
      expire: writing('expire'),
    };
    const source = histories.add({
      shard: 'main',
      get history() {
        return history;
      },
      position: async () => this.registers.position,
    });
    return instance;
  }
}

/** A promise that the test fulfils. */
export function latch(): { readonly promise: Promise<void>; open(): void } {
  let open = () => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open: () => open() };
}
