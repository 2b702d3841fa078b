import { join } from 'node:path';
import {
  createTcpProxy,
  createTemporaryFolder,
  createTestCluster,
  freePort,
  GuardedProcess,
  waitFor,
} from '@pando/core/testing';
import { Redis } from 'ioredis';
import { locateServers } from '../../scripts/provision.mjs';

const SLOTS = 16_384;

/** The servers that the contenders talk to: started when first asked for, ended with this process at the latest. */
export class Servers {
  /** Name and version of each that was started. */
  versions = [];
  #starting = new Map();
  #opened = [];

  /** One Redis that keeps nothing on disk. */
  redis() {
    return this.#once('redis', () => this.#startRedis());
  }

  /** A cluster of three masters with an equal share of the slots. */
  redisCluster() {
    return this.#once('cluster', () => this.#startRedisCluster());
  }

  /** A primary and two streaming replicas, and a database on them. */
  postgres() {
    return this.#once('postgres', () => this.#startPostgres());
  }

  /** The same database behind a network that takes a millisecond in each direction. */
  distantPostgres() {
    return this.#once('distant', async () => {
      const { primary } = await this.postgres();
      const { hostname: host, port } = new URL(primary);
      const proxy = this.#keep(await createTcpProxy({ target: { host, port: Number(port) } }));
      proxy.latency(1);
      return { primary: proxy.url(primary) };
    });
  }

  async close() {
    for (const opened of this.#opened.toReversed()) await opened[Symbol.asyncDispose]();
  }

  async #startRedis() {
    const { port, version } = await this.#startRedisServer();
    this.versions.push(`Redis ${version}`);
    return { url: `redis://127.0.0.1:${port}` };
  }

  async #startRedisCluster() {
    const args = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
    const share = Math.ceil(SLOTS / 3);
    const nodes = [];
    for (const from of [0, share, 2 * share]) {
      const bus = await freePort();
      const { port, version } = await this.#startRedisServer(...args, '--cluster-port', bus);
      const redis = new Redis(port);
      this.#keep({ [Symbol.asyncDispose]: async () => redis.disconnect() });
      await redis.call('CLUSTER', 'ADDSLOTSRANGE', from, Math.min(from + share, SLOTS) - 1);
      await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', nodes.length + 1);
      nodes.push({ redis, port, bus, version });
    }
    const [first, ...others] = nodes;
    this.versions.push(`Redis ${first.version}`);
    for (const { port, bus } of others) await first.redis.call('CLUSTER', 'MEET', '127.0.0.1', port, bus);
    const knowsAll = async ({ redis }) => {
      const info = String(await redis.call('CLUSTER', 'INFO'));
      return info.includes('cluster_state:ok') && info.includes('cluster_size:3');
    };
    await waitFor(async () => (await Promise.all(nodes.map(knowsAll))).every(Boolean), {
      timeoutMs: 20_000,
      message: 'the nodes of the cluster to know each other',
    });
    return { urls: nodes.map(({ port }) => `redis://127.0.0.1:${port}`) };
  }

  async #startRedisServer(...more) {
    const folder = this.#keep(await createTemporaryFolder('pando-bench-'));
    const port = await freePort();
    const args = [
      '--port',
      port,
      '--bind',
      '127.0.0.1',
      '--dir',
      folder.path,
      '--save',
      '',
      '--appendonly',
      'no',
      ...more,
    ];
    const outputFile = join(folder.path, 'redis.log');
    const redis = await GuardedProcess.start(locateServers().redis, args.map(String), { outputFile });
    this.#keep({ [Symbol.asyncDispose]: () => redis.kill() });
    await waitFor(() => !redis.running || redis.output().includes('Ready to accept connections'), {
      message: () => `Redis to be ready. It said:\n${redis.output({ lines: 12 })}`,
    });
    if (!redis.running) throw new Error(`Redis did not start. It said:\n${redis.output({ lines: 12 })}`);
    return { port, version: /Redis version=([\d.]+)/.exec(redis.output())?.[1] ?? 'of unknown version' };
  }

  async #startPostgres() {
    const cluster = this.#keep(await createTestCluster({ replicas: 2 }));
    const [{ version }] = await cluster.primary.query(`select split_part(version(), ' ', 2) as version`);
    this.versions.push(`Postgres ${version}`);
    const { primary, replicas } = await cluster.createDatabase('bench');
    return {
      primary,
      replicas,
      caughtUp: () => cluster.caughtUp(),
      /** Replicas show everything this much later from now on. */
      delayReplay: (ms) => Promise.all(cluster.replicas.map((replica) => replica.delayReplay(ms))),
    };
  }

  #keep(disposable) {
    this.#opened.push(disposable);
    return disposable;
  }

  #once(name, start) {
    if (!this.#starting.has(name)) this.#starting.set(name, start());
    return this.#starting.get(name);
  }
}
