import type { Clock } from '../../kernel/clock.js';
import type { DueRun, JobClaim, JobStanding, JobStore } from '../ports.js';

/** Jobs outside any one store. */
export interface JobsWorld {
  readonly jobs: Map<string, KeptJob>;
}

interface KeptJob {
  last: number;
  until: number;
  owner: string;
  token: number;
  attempt: number;
  claimId: string;
}

/** Creates jobs for several stores to share, as instances share Redis. */
export function createJobsWorld(): JobsWorld {
  return { jobs: new Map() };
}

/** What a store in memory may be given. */
export interface MemoryJobStoreInit {
  readonly clock: Clock;
  readonly self: string;
  readonly world: JobsWorld;
}

/** Jobs of one process. */
export class MemoryJobStore implements JobStore {
  readonly #clock: Clock;
  readonly #self: string;
  readonly #world: JobsWorld;

  constructor({ clock, self, world }: MemoryJobStoreInit) {
    this.#clock = clock;
    this.#self = self;
    this.#world = world;
  }

  async start(): Promise<void> {}

  async look(job: string): Promise<JobStanding> {
    return this.#claimed(this.#job(job), 'stands', this.#clock.now());
  }

  async claim(name: string, run: DueRun): Promise<JobClaim> {
    const job = this.#job(name);
    const now = this.#clock.now();
    if (job.last === run.last && now < job.until && job.claimId === run.claimId) {
      job.until = now + run.leaseMs;
      return this.#claimed(job, 'taken', now);
    }
    if (job.last !== run.last || now < run.dueAt || now < job.until) return this.#claimed(job, 'stands', now);
    const isLate = run.startWithinMs !== undefined && now > run.dueAt + run.startWithinMs;
    if (isLate || job.attempt >= run.maxAttempts) {
      Object.assign(job, { last: Math.max(now, job.last + 1), attempt: 0, owner: '' });
      return this.#claimed(job, isLate ? 'late' : 'given up', now);
    }
    job.token = Math.max(job.token + 1, now);
    job.attempt++;
    job.until = now + run.leaseMs;
    job.owner = this.#self;
    job.claimId = run.claimId;
    return this.#claimed(job, 'taken', now);
  }

  async renew(name: string, token: number, leaseMs: number): Promise<boolean> {
    const job = this.#held(name, token);
    if (job !== undefined) job.until = this.#clock.now() + leaseMs;
    return job !== undefined;
  }

  async finish(name: string, token: number): Promise<boolean> {
    const job = this.#held(name, token);
    if (job === undefined) return false;
    Object.assign(job, {
      last: Math.max(this.#clock.now(), job.last + 1),
      until: 0,
      owner: '',
      attempt: 0,
      claimId: '',
    });
    return true;
  }

  async giveBack(name: string, token: number): Promise<boolean> {
    const job = this.#held(name, token);
    if (job !== undefined) Object.assign(job, { until: 0, owner: '', attempt: job.attempt - 1, claimId: '' });
    return job !== undefined;
  }

  async close(): Promise<void> {}

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #job(name: string): KeptJob {
    const known = this.#world.jobs.get(name);
    if (known !== undefined) return known;
    const job: KeptJob = { last: this.#clock.now(), until: 0, owner: '', token: 0, attempt: 0, claimId: '' };
    this.#world.jobs.set(name, job);
    return job;
  }

  #held(name: string, token: number): KeptJob | undefined {
    const job = this.#job(name);
    return job.token === token && job.owner !== '' ? job : undefined;
  }

  #claimed(job: KeptJob, outcome: JobClaim['outcome'], now: number): JobClaim {
    const { last, until, owner, token, attempt } = job;
    return { outcome, now, last, until, owner, token, attempt };
  }
}
