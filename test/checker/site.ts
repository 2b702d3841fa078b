import type { DatabaseOptions } from '@pando/core/db';
import type { DatabaseUrls, TestCluster, TestServer } from '@pando/core/testing';
import { waitFor } from '@pando/core/testing';
import pg from 'pg';
import type { KitRules } from '../../packages/core/src/pando.js';
import { type OneName, startPooledName } from '../infra/one-name.js';
import { type RedisServer, startRedis } from '../infra/redis.js';
import { Instance } from './instance.js';
import { schema } from './registers.js';

/** What a site is made of. */
export interface SiteInit {
  readonly cluster: TestCluster;
  readonly rules?: KitRules | undefined;
  /** Over ours. */
  readonly db?: Partial<DatabaseOptions> | undefined;
  readonly isMonotonic: boolean;
  /** Whether one name stands for all replicas. */
  readonly hasOneName?: boolean | undefined;
  /** @defaultValue `3` */
  readonly instances?: number | undefined;
  /** Carries out the effect `note` of transactions. */
  readonly note: (payload: unknown) => void;
}

const kit = 'checker';

/** The servers of one run, and the instances in front of them. */
export class Site implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly redis: RedisServer;
  readonly urls: DatabaseUrls;
  /** Of those that live. */
  readonly instances: Instance[] = [];
  readonly #init: SiteInit;
  readonly #dead: Instance[] = [];
  readonly #borrowed = new Set<TestServer>();
  #oneName: OneName | undefined;
  #started = 0;

  private constructor(init: SiteInit, redis: RedisServer, urls: DatabaseUrls) {
    this.cluster = init.cluster;
    this.redis = redis;
    this.urls = urls;
    this.#init = init;
  }

  static async open(init: SiteInit, database: string): Promise<Site> {
    const [redis, urls] = await Promise.all([startRedis(), init.cluster.createDatabase(database)]);
    const site = new Site(init, redis, urls);
    try {
      if (init.hasOneName) site.#oneName = await startPooledName(urls.replicas);
      await site.rows(schema);
      await init.cluster.caughtUp();
      await Promise.all(Array.from({ length: init.instances ?? 3 }, () => site.addInstance()));
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
    return site;
  }

  /** Does something to a replica that nobody else does something to. */
  async withReplica(random: () => number, work: (replica: TestServer) => Promise<void>): Promise<void> {
    const free = this.cluster.replicas.filter((replica) => !this.#borrowed.has(replica));
    const replica = free[Math.floor(random() * free.length)];
    if (replica === undefined) return;
    this.#borrowed.add(replica);
    try {
      await work(replica);
    } finally {
      this.#borrowed.delete(replica);
    }
  }

  async addInstance(): Promise<void> {
    const { rules, db, isMonotonic, note } = this.#init;
    const instance = await Instance.start({
      name: `instance-${++this.#started}`,
      redis: this.redis,
      urls: this.#oneName === undefined ? this.urls : { ...this.urls, replicas: [this.#oneName.url] },
      rules,
      options: ({ redis, primary, replicas }) => ({
        name: kit,
        redis: { url: redis, ...(isMonotonic && { commandTimeoutMs: 5_000 }) },
        secret: 'the same on every instance',
        lifecycle: { signals: false, roomsMs: 1_000 },
        // Nothing is ever helped by expiry; replicas are used however far they are behind, as soon as they are there.
        cache: { ttlMs: 3_600_000 },
        db: {
          ...(isMonotonic && { level: 'monotonic' }),
          primary,
          replicas,
          effects: { note },
          outbox: { takeoverMs: 300, pollIntervalMs: 50 },
          pool: { size: 6, overflow: 6, acquireTimeoutMs: 1_000 },
          ...{ probeIntervalMs: 50, probeTimeoutMs: 300, connectTimeoutMs: 500, closeTimeoutMs: 500 },
          ...{ maxLagMs: 60_000, warmupMs: 0, ...db },
        },
      }),
    });
    this.instances.push(instance);
  }

  async killInstance(instance: Instance): Promise<void> {
    this.instances.splice(this.instances.indexOf(instance), 1);
    this.#dead.push(instance);
    await instance.kill();
  }

  /** Asks the primary directly. */
  async rows<R>(text: string, server = this.cluster.primary): Promise<readonly R[]> {
    const url = new URL(this.urls.primary);
    url.port = String(server.port);
    const client = new pg.Client(url.href);
    await client.connect();
    try {
      return (await client.query(text)).rows as R[];
    } finally {
      await client.end();
    }
  }

  /** Resolves when everything is as it was before the faults, and all effects are carried out. */
  async recovered(): Promise<void> {
    const areUp = () =>
      this.instances.every(
        ({ pando: { db, redis } }) =>
          redis?.isUp && redis.isLive && db.topology().replicas.every(({ state }) => state === 'up'),
      );
    const states = () => JSON.stringify(this.instances.map(({ pando }) => pando.db.topology()));
    await waitFor(areUp, { message: () => `all servers to be used again: ${states()}`, timeoutMs: 20_000 });
    const isEmpty = async () => (await this.rows('select from pando_outbox')).length === 0;
    await waitFor(isEmpty, { message: 'all effects to be carried out', timeoutMs: 20_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.instances, ...this.#dead].map((instance) => instance.close()));
    await this.#oneName?.[Symbol.asyncDispose]();
    await this.redis.close();
  }
}
