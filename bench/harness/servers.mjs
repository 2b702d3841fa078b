import { join } from 'node:path';
import {
  createTcpProxy,
  createTemporaryFolder,
  createTestCluster,
  freePort,
  GuardedProcess,
  waitFor,
} from '@pando/core/testing';
import { locateServers } from '../../scripts/provision.mjs';

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
    ];
    const outputFile = join(folder.path, 'redis.log');
    const redis = await GuardedProcess.start(locateServers().redis, args.map(String), { outputFile });
    this.#keep({ [Symbol.asyncDispose]: () => redis.kill() });
    await waitFor(() => !redis.running || redis.output().includes('Ready to accept connections'), {
      message: () => `Redis to be ready. It said:\n${redis.output({ lines: 12 })}`,
    });
    if (!redis.running) throw new Error(`Redis did not start. It said:\n${redis.output({ lines: 12 })}`);
    const version = /Redis version=([\d.]+)/.exec(redis.output())?.[1];
    this.versions.push(`Redis ${version ?? 'of unknown version'}`);
    return { url: `redis://127.0.0.1:${port}` };
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
