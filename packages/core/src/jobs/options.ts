import { readOptions } from '../kernel/options.js';
import type { RedisOption } from '../redis/options.js';
import { readLease } from './plan.js';

/** How the jobs room works. */
export interface JobsOptions {
  /** Where instances agree on who runs what. Left out: this process runs everything. */
  readonly redis?: RedisOption | undefined;
  /** Part of every key in Redis; only for a room that is used alone. @defaultValue `'app'` */
  readonly name?: string | undefined;
  /**
   * How long an instance that died keeps others from beginning its run again; a living one renews it all the time. Never
   * shorter than what may freeze a process: a long garbage collection, a snapshot of the machine. @defaultValue `30_000`
   */
  readonly leaseMs?: number | undefined;
}

/** The defaults. */
export const jobsDefaults = Object.freeze({ name: 'app', leaseMs: 30_000 });

/** Options with every default filled in. */
export interface ResolvedJobsOptions {
  readonly redis: RedisOption | undefined;
  readonly name: string;
  readonly leaseMs: number;
}

/** Checks the options; throws `PandoOptionsError`. */
export function resolveJobsOptions(options: JobsOptions = {}): ResolvedJobsOptions {
  const reader = readOptions('jobs', options);
  const resolved = {
    redis: reader.any('redis') as RedisOption | undefined,
    name: reader.string('name', jobsDefaults.name),
    leaseMs: readLease(reader, jobsDefaults.leaseMs),
  };
  reader.done();
  return resolved;
}
