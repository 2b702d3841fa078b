import { createTcpProxy, type TcpProxy } from '@pando/core/testing';
import { cacheInstruments } from '../../../packages/core/src/cache/metrics.js';
import type { Announcement, SharedLevel, SharedLevelEvents } from '../../../packages/core/src/cache/ports.js';
import type { CacheRules } from '../../../packages/core/src/cache/rules.js';
import { abortable } from '../../../packages/core/src/kernel/abort.js';
import type { RequestContext } from '../../../packages/core/src/kernel/context.js';
import { Events } from '../../../packages/core/src/kernel/events.js';
import { type Meter, noopMeter } from '../../../packages/core/src/kernel/meter.js';
import type { Token } from '../../../packages/core/src/kernel/token.js';
import { type LoadedInstance, startInstance } from '../../exclusive/cache-load.js';
import type { RedisServer } from '../../infra/redis.js';
import { instead } from '../instead.js';
import { Known } from '../known.js';

/** How the caches of a run differ from what they are by default. */
export interface CacheSetup {
  readonly rules?: Partial<CacheRules> | undefined;
  /** Puts something between each instance and its shared level. */
  readonly level?: ((sound: SharedLevel) => SharedLevel) | undefined;
  readonly meter?: Meter | undefined;
  /** Tags that Redis remembers. @defaultValue all */
  readonly maxTags?: number | undefined;
}

/** Readers without a token are shown nothing older than that, and some round trips. */
export const trustMs = 300;

/** One instance of the cache, with a network of its own. */
export class CacheInstance {
  readonly name: string;
  readonly proxy: TcpProxy;
  /** What was invalidated here. */
  readonly known = new Known();
  /** What becomes of announcements on their last way: no time at all, unless a fault says otherwise. */
  carry: (deliver: () => void) => void = (deliver) => deliver();
  readonly #death = new AbortController();
  #loaded!: LoadedInstance;
  #closing: Promise<void> | undefined;
  #backlog = () => 0;

  private constructor(name: string, proxy: TcpProxy) {
    this.name = name;
    this.proxy = proxy;
  }

  static async start(
    name: string,
    kit: string,
    redis: RedisServer,
    { rules, level = (sound) => sound, maxTags, meter = noopMeter }: CacheSetup,
  ): Promise<CacheInstance> {
    const proxy = await createTcpProxy({ target: { host: redis.host, port: redis.port } });
    const instance = new CacheInstance(name, proxy);
    instance.#loaded = await startInstance(proxy.url('redis'), kit, rules, {
      options: { trustMs, doubtMs: 1_000 },
      maxTags,
      meter: instance.#listening(meter),
      level: (sound) => level(instance.#carried(sound)),
    });
    return instance;
  }

  get cache() {
    return this.#loaded.cache;
  }

  get kernel() {
    return this.#loaded.kernel;
  }

  get isConnected(): boolean {
    const { redis } = this.#loaded;
    return redis.isUp && redis.isLive;
  }

  /** Whether all that was invalidated here is confirmed. */
  get isSettled(): boolean {
    return this.#backlog() === 0;
  }

  get isAlive(): boolean {
    return !this.#death.signal.aborted;
  }

  /** Runs code as one request of somebody who has seen so much; rejects when the instance dies meanwhile. */
  async serve<T>(token: Token, code: (context: RequestContext) => Promise<T>): Promise<T> {
    const { contexts } = this.kernel;
    const context = contexts.open({ id: 'request', signal: this.#death.signal, token });
    return abortable(
      contexts.run(context, () => code(context)),
      this.#death.signal,
    );
  }

  /** From one moment to the next nothing of it reaches anybody any more. */
  async kill(): Promise<void> {
    this.#death.abort(new Error(`${this.name} is dead`));
    await this.proxy.refuse();
    this.proxy.reset();
    void this.close();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#loaded[Symbol.asyncDispose]();
    await this.proxy.close();
  }

  /** The meter, which tells how many invalidations wait. */
  #listening(meter: Meter): Meter {
    const observe: Meter['observe'] = (instrument, read, labels) => {
      if (instrument === cacheInstruments.backlog) this.#backlog = read;
      return meter.observe(instrument, read, labels);
    };
    return { ...meter, observe };
  }

  /** The level, whose announcements go through {@link CacheInstance.carry}. */
  #carried(level: SharedLevel): SharedLevel {
    const events = new Events<SharedLevelEvents>((cause) => {
      throw cause;
    });
    for (const name of ['up', 'live', 'blind'] as const) level.events.on(name, () => events.emit(name, {}));
    level.events.on('announcement', (announcement: Announcement) =>
      this.carry(() => events.emit('announcement', announcement)),
    );
    return instead(level, { events });
  }
}
