import { randomUUID } from 'node:crypto';
import { createKernel, type Kernel } from '../kernel/kernel.js';
import { createRedisFloor } from '../redis/floor.js';
import type { RedisFloor } from '../redis/ports.js';
import { createJobsWorld, type JobsWorld, MemoryJobStore } from './drivers/memory.js';
import { RedisJobStore } from './drivers/redis.js';
import { type Jobs, JobsRoom } from './jobs.js';
import { type JobsOptions, resolveJobsOptions } from './options.js';

export { createJobsWorld, type JobsWorld } from './drivers/memory.js';

/** What a jobs room may be given by its surroundings. */
export interface JobsWiring {
  readonly kernel?: Kernel | undefined;
  /** The kit's connections; never closed here. */
  readonly redis?: RedisFloor | undefined;
  /** Where jobs are without Redis: rooms that share a world are instances of one fleet. */
  readonly world?: JobsWorld | undefined;
}

/**
 * Creates the jobs room; {@link Jobs.start} makes it look after its jobs.
 *
 * @throws `PandoOptionsError` for options that cannot be right.
 *
 * @example
 * ```ts
 * const jobs = createJobs({ redis: process.env.REDIS_URL });
 * jobs.runOnce('report', { cron: '0 9 * * 1', timeZone: 'Europe/Berlin' }, ({ dueAt }) => console.log(new Date(dueAt)));
 * await jobs.start();
 * ```
 */
export function createJobs(options: JobsOptions = {}, wiring: JobsWiring = {}): Jobs {
  const { redis: option, name, leaseMs } = resolveJobsOptions(options);
  const kernel = wiring.kernel ?? createKernel({ name });
  const redis = wiring.redis ?? (option === undefined ? undefined : createRedisFloor(option, kernel));
  const store =
    redis === undefined
      ? new MemoryJobStore({
          clock: kernel.clock,
          self: randomUUID(),
          world: wiring.world ?? createJobsWorld(),
        })
      : new RedisJobStore({ redis, isOwner: redis !== wiring.redis });
  return new JobsRoom(kernel, store, leaseMs);
}
