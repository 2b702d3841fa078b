import { randomUUID } from 'node:crypto';
import { messageOf } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import { Lease } from './lease.js';
import { jobsInstruments } from './metrics.js';
import type { JobPlan } from './plan.js';
import type { DueRun, JobClaim, JobStanding, JobStore } from './ports.js';

/** What a run is told. */
export interface JobRun {
  /** The job's name. */
  readonly job: string;
  /**
   * Grows with every run of the job in the whole fleet. Hand it to what the run writes to, and let that refuse tokens that
   * are less than one it has seen: then a run that was frozen, and went on after another had begun, changes nothing.
   */
  readonly token: number;
  /** When it was due, epoch ms. */
  readonly dueAt: number;
  /** Which time this run is begun, from 1: more when instances died in the middle of it. */
  readonly attempt: number;
  /** Aborts when the run is lost, and when the instance shuts down and time is up. */
  readonly signal: AbortSignal;
}

/** What a job does. */
export type JobWork = (run: JobRun) => Promise<unknown> | unknown;

/** A job of this instance; of any number of instances that have it, one runs it at a time. */
export interface Job extends AsyncDisposable {
  readonly name: string;
  /** Whether this instance runs it now. */
  readonly isRunning: boolean;
  /** Takes part no more; resolves when a run that this instance has begun has ended. Idempotent; never rejects. */
  close(): Promise<void>;
}

/** What all jobs of a room share. */
export interface JobEnvironment {
  readonly kernel: Kernel;
  readonly store: JobStore;
}

/** How often the store is asked, at least: its clock may be set, too. */
const LONGEST_WAIT_MS = 60_000;
/** Before it is asked again when it did not answer. */
const RETRY_MS = 1_000;

/** One job's loop: asks when it is due, takes a run, keeps it, gives it back. */
export class ScheduledJob implements Job {
  readonly name: string;
  readonly #env: JobEnvironment;
  readonly #plan: JobPlan;
  readonly #work: JobWork;
  readonly #onClose: (job: ScheduledJob) => void;
  readonly #outcomes = new Map<string, CounterCell>();
  #timer: Disposable | undefined;
  #standing: JobStanding | undefined;
  /** The store's clock less our monotonic one. */
  #offsetMs = 0;
  /** The question that is under way: it may take a run. */
  #asking: Promise<void> | undefined;
  /** A claim without an answer: it may have taken the run. */
  #unanswered: DueRun | undefined;
  /** Asked to stop while a run was being taken. */
  #isCancelled = false;
  #isStopped = false;
  #hasBegun = false;
  #lease: Lease | undefined;
  #running: Promise<void> | undefined;

  constructor(env: JobEnvironment, plan: JobPlan, work: JobWork, onClose: (job: ScheduledJob) => void) {
    this.name = plan.name;
    this.#env = env;
    this.#plan = plan;
    this.#work = work;
    this.#onClose = onClose;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Whether there is a run to wait for, or may be. */
  get isBusy(): boolean {
    return this.isRunning || this.#asking !== undefined;
  }

  /** The store answers, perhaps for the first time: asks it now. */
  begin(): void {
    this.#hasBegun = true;
    this.#wait(0);
  }

  /** Begins no run any more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.[Symbol.dispose]();
  }

  /** Resolves when the run that goes on has ended, if one does, or was just being taken. */
  async ended(): Promise<void> {
    await this.#asking;
    await this.#running;
  }

  /** Asks the run that goes on to stop; gives back one that is just being taken. */
  cancel(reason: unknown): void {
    this.#isCancelled = true;
    this.#lease?.cancel(reason);
  }

  /** Lets go of a run that does not heed its signal: when its lease ends, others may begin it again. */
  abandon(): void {
    this.#lease?.[Symbol.dispose]();
  }

  async close(): Promise<void> {
    this.stop();
    await this.ended();
    this.#onClose(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #wait(waitMs: number): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#isStopped || !this.#hasBegun || this.isRunning) return;
    this.#timer = this.#env.kernel.clock.after(Math.min(waitMs, LONGEST_WAIT_MS), () => {
      if (this.#isStopped || this.isRunning) return;
      this.#asking ??= this.#ask();
    });
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    let waitMs = RETRY_MS;
    try {
      waitMs = await this.#look();
    } catch (cause) {
      this.#standing = undefined; // what was asked may have been done
      const { logger } = this.#env.kernel;
      logger.debug({ job: this.name, err: cause }, `job not looked after: ${messageOf(cause)}`);
    }
    this.#asking = undefined;
    this.#wait(waitMs);
  }

  /** Takes a run, if one is due; answers when to ask again. */
  async #look(): Promise<number> {
    const { kernel, store } = this.#env;
    const { name } = this.#plan;
    const askedAt = kernel.clock.monotonic();
    const run = this.#unanswered ?? this.#dueRun(askedAt);
    if (run === undefined) return this.#learn(await store.look(name));
    this.#unanswered = run;
    const claim = await store.claim(name, run);
    this.#unanswered = undefined;
    const waitMs = this.#learn(claim);
    if (claim.outcome === 'taken') {
      if (this.#isCancelled) await store.giveBack(name, claim.token);
      else this.#begin(claim, run.dueAt, askedAt);
    } else if (claim.outcome !== 'stands') {
      this.#settle(claim.outcome, run.dueAt);
    }
    return waitMs;
  }

  /** The run that is due now, as far as is known here. */
  #dueRun(now: number): DueRun | undefined {
    const { schedule, leaseMs, startWithinMs, maxAttempts } = this.#plan;
    const last = this.#standing?.last;
    const dueAt = last === undefined ? undefined : schedule.after(last);
    if (last === undefined || dueAt === undefined || dueAt > now + this.#offsetMs) return undefined;
    return { claimId: randomUUID(), last, dueAt, leaseMs, startWithinMs, maxAttempts };
  }

  #begin(claim: JobClaim, dueAt: number, askedAt: number): void {
    this.#running = this.#run(claim, dueAt, askedAt).finally(() => {
      this.#running = undefined;
      this.#wait(0);
    });
  }

  /** Notes how the job stands; answers when to ask again. */
  #learn(standing: JobStanding): number {
    const { now, last, until, owner } = standing;
    const { schedule } = this.#plan;
    this.#standing = standing;
    this.#offsetMs = now - this.#env.kernel.clock.monotonic();
    const isHeld = owner !== '' && until > now;
    // Whoever has a run may end it before its lease does: so at the next time, as if nobody had it.
    const askAt = isHeld ? Math.min(until, schedule.after(now) ?? until) : schedule.after(last);
    return Math.max(0, (askAt ?? Number.POSITIVE_INFINITY) - now);
  }

  /** A run that nobody carries out: its time is over, or it has ended whoever began it. */
  #settle(outcome: 'late' | 'given up', dueAt: number): void {
    const { logger } = this.#env.kernel;
    const due = new Date(dueAt).toISOString();
    if (outcome === 'late') {
      this.#count('late');
      logger.warn(
        { job: this.name, due },
        'A run of a job was left out: nobody was there to begin it in time.',
      );
    } else {
      this.#count('given-up');
      logger.error(
        { job: this.name, due },
        'A run of a job was left out: instances died in the middle of it.',
      );
    }
  }

  /** Never rejects. */
  async #run({ token, attempt }: JobClaim, dueAt: number, askedAt: number): Promise<void> {
    const { kernel, store } = this.#env;
    const { clock, contexts, meter } = kernel;
    const { name: job, leaseMs } = this.#plan;
    using lease = new Lease({ job, token, leaseMs, askedAt, store, clock });
    this.#lease = lease;
    const { signal } = lease;
    const context = contexts.open({ id: `job:${job}:${token}`, signal });
    const beganAt = clock.monotonic();
    let outcome: 'succeeded' | 'failed' | 'lost' = 'succeeded';
    try {
      await contexts.run(context, () => this.#work({ job, token, dueAt, attempt, signal }));
    } catch (cause) {
      outcome = 'failed';
      kernel.logger.error(
        { job, token, err: cause },
        `A run of the job "${job}" failed: ${messageOf(cause)}`,
      );
    }
    meter.histogram(jobsInstruments.duration, { job }).record((clock.monotonic() - beganAt) / 1_000);
    if (!(await this.#finish(lease, token))) outcome = 'lost';
    if (outcome === 'succeeded') meter.gauge(jobsInstruments.succeededAt, { job }).set(clock.now() / 1_000);
    if (outcome === 'lost')
      kernel.logger.warn({ job, token }, `A run of the job "${job}" was lost on its way.`);
    this.#count(outcome);
    this.#lease = undefined;
    this.#standing = undefined;
  }

  /** Says that the run has ended, as long as it is ours; whether it was to the end. */
  async #finish(lease: Lease, token: number): Promise<boolean> {
    const { store, kernel } = this.#env;
    while (!lease.isOver) {
      try {
        return await store.finish(this.name, token);
      } catch {
        await new Promise<void>((resolve) => kernel.clock.after(RETRY_MS / 4, resolve));
      }
    }
    return false;
  }

  #count(outcome: string): void {
    let cell = this.#outcomes.get(outcome);
    if (cell === undefined) {
      cell = this.#env.kernel.meter.counter(jobsInstruments.runs, { job: this.name, outcome });
      this.#outcomes.set(outcome, cell);
    }
    cell.add();
  }
}
