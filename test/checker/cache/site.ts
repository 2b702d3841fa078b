import { waitFor } from '@pando/core/testing';
import type { RedisServer } from '../../infra/redis.js';
import { CacheInstance, type CacheSetup } from './instance.js';
import { Turnstile } from './turnstile.js';

/** The Redis of one run, and the instances in front of it. */
export class CacheSite implements AsyncDisposable {
  readonly redis: RedisServer;
  /** Of those that live. */
  readonly instances: CacheInstance[] = [];
  readonly turnstile = new Turnstile();
  readonly #kit: string;
  readonly #setup: CacheSetup;
  readonly #dead: CacheInstance[] = [];
  #started = 0;

  private constructor(redis: RedisServer, kit: string, setup: CacheSetup) {
    this.redis = redis;
    this.#kit = kit;
    this.#setup = setup;
  }

  static async open(redis: RedisServer, kit: string, setup: CacheSetup): Promise<CacheSite> {
    const site = new CacheSite(redis, kit, setup);
    try {
      await Promise.all([1, 2, 3].map(() => site.addInstance()));
      await site.recovered();
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
    return site;
  }

  /** The keys in which the cache keeps its state. */
  stateKeys(): readonly string[] {
    return ['state', 'demands'].map((part) => `pando:{${this.#kit}}:cache:${part}`);
  }

  async addInstance(): Promise<CacheInstance> {
    const name = `instance-${++this.#started}`;
    const instance = await CacheInstance.start(name, this.#kit, this.redis, this.#setup);
    this.instances.push(instance);
    return instance;
  }

  async killInstance(instance: CacheInstance): Promise<void> {
    this.instances.splice(this.instances.indexOf(instance), 1);
    this.#dead.push(instance);
    await instance.kill();
  }

  /** Resolves when everything is as it was before the faults. */
  async recovered(): Promise<void> {
    const areWell = () => this.instances.every(({ isConnected, isSettled }) => isConnected && isSettled);
    await waitFor(areWell, {
      intervalMs: 5,
      message: 'all instances to be connected, and all invalidations confirmed',
      timeoutMs: 20_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.instances, ...this.#dead].map((instance) => instance.close()));
  }
}
