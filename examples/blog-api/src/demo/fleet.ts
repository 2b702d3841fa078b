import { createTemporaryFolder, createTestCluster } from '@pando/core/testing';
import { Balancer } from './balancer.js';
import { type Instance, startInstance } from './instance.js';
import { startRedis } from './redis.js';

/** What the demo starts. */
export interface FleetPlan {
  /** Of the balancer. */
  readonly port: number;
  /** The program redis-server. */
  readonly redisServer: string;
  /** Ends the start. */
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** Everything the demo has started. Disposing ends all of it, last things first. */
export interface Fleet extends AsyncDisposable {
  /** Where the balancer is. */
  readonly url: string;
  readonly instances: readonly Instance[];
  readonly redisUrl: string;
  readonly primaryUrl: string;
  readonly replicaUrls: readonly string[];
}

const plans = [
  { name: 'express-1', framework: 'express' },
  { name: 'express-2', framework: 'express' },
  { name: 'fastify-1', framework: 'fastify' },
] as const;

/** Starts Redis, Postgres with two replicas, three instances, and a balancer in front. */
export async function startFleet({ port, redisServer, signal, log }: FleetPlan): Promise<Fleet> {
  const closers: (() => PromiseLike<void>)[] = [];
  const close = async () => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    const folder = await createTemporaryFolder('pando-demo-');
    closers.push(() => folder[Symbol.asyncDispose]());
    log(`Logs are in ${folder.path} as long as the demo runs.`);
    log('Starting Redis, and Postgres with two replicas ...');
    const redis = await startRedis(redisServer, folder.path, signal);
    closers.push(redis.stop);
    const postgres = await createTestCluster({ replicas: 2, database: 'blog', signal });
    closers.push(() => postgres.close());

    log('Starting three instances ...');
    const replicaUrls = postgres.replicas.map(({ url }) => url);
    const env = {
      REDIS_URL: redis.url,
      DATABASE_URL: postgres.primary.url,
      DATABASE_REPLICA_URLS: replicaUrls.join(','),
      TRUST_PROXY: 'loopback',
      DRAIN_DELAY_MS: '500', // the balancer looks five times a second
    };
    const starts = await Promise.allSettled(
      plans.map((plan) => startInstance({ ...plan, env, folder: folder.path, signal })),
    );
    const instances = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    closers.push(async () => void (await Promise.all(instances.map((instance) => instance.stop()))));
    for (const start of starts) if (start.status === 'rejected') throw start.reason;

    const balancer = new Balancer(instances.map(({ url }) => Number(new URL(url).port)));
    const url = await balancer.listen(port);
    closers.push(() => balancer.close());
    return {
      url,
      instances,
      redisUrl: redis.url,
      primaryUrl: postgres.primary.url,
      replicaUrls,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
