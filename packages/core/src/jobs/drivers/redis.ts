import type { Signalled } from '../../kernel/abort.js';
import type { RedisArgument, RedisFloor, RedisScript } from '../../redis/ports.js';
import type { DueRun, JobClaim, JobStanding, JobStore } from '../ports.js';
import claimSource from './lua/job-claim-1.lua';
import renewSource from './lua/job-renew-1.lua';

const claimScript: RedisScript = { name: 'job-claim', source: claimSource, keyCount: 1 };
const renewScript: RedisScript = { name: 'job-renew', source: renewSource, keyCount: 1 };

/** Longer than any schedule is quiet: what runs once a year is still known then. */
const KEPT_MS = 400 * 86_400_000;

/** What a store in Redis stands on. */
export interface RedisJobStoreInit {
  readonly redis: RedisFloor;
  /** Whether the store starts and closes the floor. */
  readonly isOwner: boolean;
}

/** Jobs in Redis: one hash each. */
export class RedisJobStore implements JobStore {
  readonly #redis: RedisFloor;
  readonly #isOwner: boolean;
  #listening: Disposable | undefined;

  constructor({ redis, isOwner }: RedisJobStoreInit) {
    this.#redis = redis;
    this.#isOwner = isOwner;
  }

  async start(onRestored: () => void, options?: Signalled): Promise<void> {
    this.#listening ??= this.#redis.events.on('up', onRestored);
    if (this.#isOwner) await this.#redis.start(options);
  }

  look(job: string, options?: Signalled): Promise<JobStanding> {
    return this.#claim(job, ['', '', '', '', '', ''], options);
  }

  claim(job: string, run: DueRun): Promise<JobClaim> {
    const { claimId, last, dueAt, leaseMs, startWithinMs, maxAttempts } = run;
    return this.#claim(job, [last, dueAt, leaseMs, startWithinMs ?? '', maxAttempts, claimId]);
  }

  renew(job: string, token: number, leaseMs: number): Promise<boolean> {
    return this.#change(job, token, leaseMs);
  }

  finish(job: string, token: number): Promise<boolean> {
    return this.#change(job, token, 'end');
  }

  giveBack(job: string, token: number): Promise<boolean> {
    return this.#change(job, token, 'back');
  }

  async close(): Promise<void> {
    this.#listening?.[Symbol.dispose]();
    if (this.#isOwner) await this.#redis.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #key(job: string): string {
    return this.#redis.keys.atomic('jobs', job);
  }

  async #change(job: string, token: number, change: number | 'end' | 'back'): Promise<boolean> {
    return (await this.#redis.run(renewScript, [this.#key(job)], [token, change])) === 1;
  }

  async #claim(job: string, run: readonly RedisArgument[], options?: Signalled): Promise<JobClaim> {
    const args = [this.#redis.fleet.self, ...run, KEPT_MS];
    const reply = await this.#redis.run(claimScript, [this.#key(job)], args, options);
    const [outcome, now, last, until, owner, token, attempt] = reply as ClaimReply;
    return { outcome, now, last, until, owner, token, attempt };
  }
}

type ClaimReply = readonly [JobClaim['outcome'], number, number, number, string, number, number];
