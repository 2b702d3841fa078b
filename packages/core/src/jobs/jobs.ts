import { abortable, deadline, type Signalled } from '../kernel/abort.js';
import { ClosedError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { Check, Room } from '../kernel/room.js';
import { JobNameError } from './errors.js';
import { type Job, type JobWork, ScheduledJob } from './job.js';
import { type RunOnceOptions, readJobPlan, type ScheduleOption } from './plan.js';
import type { JobStore } from './ports.js';

/** Runs scheduled work on one instance of the fleet. */
export interface Jobs extends Room {
  readonly name: 'jobs';
  /**
   * Runs the work when it is due, on one of the instances that say the same.
   *
   * A run is carried out at least once: when its instance dies, another begins it again within the lease. Runs of one job
   * never overlap while instances stop when their signal aborts; what came due during a run is left out. While Redis is
   * away nothing is begun; what was missed is made up for by one run. Work that throws counts as carried out.
   *
   * @throws `PandoOptionsError`; `JobNameError` when this process has a job of that name.
   */
  runOnce(name: string, schedule: ScheduleOption, work: JobWork, options?: RunOnceOptions): Job;
  /** Begins no run any more. */
  stop(): void;
}

/** What work that does not heed its signal gets before it is left alone. */
const GRACE_MS = 1_000;

/** The manager behind {@link Jobs}. */
export class JobsRoom implements Jobs {
  readonly name = 'jobs';
  readonly #kernel: Kernel;
  readonly #store: JobStore;
  readonly #leaseMs: number;
  readonly #jobs = new Map<string, ScheduledJob>();
  #hasStarted = false;
  #isStopped = false;
  #closing: Promise<void> | undefined;

  constructor(kernel: Kernel, store: JobStore, leaseMs: number) {
    this.#kernel = kernel;
    this.#store = store;
    this.#leaseMs = leaseMs;
  }

  runOnce(name: string, schedule: ScheduleOption, work: JobWork, options?: RunOnceOptions): Job {
    const plan = readJobPlan(name, schedule, work, options, this.#leaseMs);
    if (this.#closing !== undefined) throw new ClosedError('The jobs room');
    if (this.#jobs.has(name)) throw new JobNameError(name);
    const environment = { kernel: this.#kernel, store: this.#store };
    const job = new ScheduledJob(environment, plan, work, () => this.#jobs.delete(name));
    this.#jobs.set(name, job);
    if (this.#isStopped) job.stop();
    else if (this.#hasStarted) job.begin();
    return job;
  }

  async start(options?: Signalled): Promise<void> {
    await this.#store.start(() => this.#begin(), options);
    this.#hasStarted = true;
    this.#begin();
  }

  stop(): void {
    this.#isStopped = true;
    for (const job of this.#jobs.values()) job.stop();
  }

  /** Waits for what runs; asks it to stop when the signal aborts. */
  async drain({ signal }: Signalled = {}): Promise<void> {
    this.stop();
    const jobs = [...this.#jobs.values()];
    try {
      await abortable(Promise.all(jobs.map((job) => job.ended())), signal);
    } catch (reason) {
      for (const job of jobs) job.cancel(reason);
      throw reason;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    return [];
  }

  #begin(): void {
    if (this.#hasStarted) for (const job of this.#jobs.values()) job.begin();
  }

  async #close(): Promise<void> {
    this.stop();
    const busy = [...this.#jobs.values()].filter(({ isBusy }) => isBusy);
    for (const job of busy) job.cancel(new ClosedError('The jobs room'));
    if (busy.length > 0) {
      const ended = Promise.all(busy.map((job) => job.ended()));
      using grace = deadline(this.#kernel.clock, GRACE_MS, () => new ClosedError('The jobs room'));
      await abortable(ended, grace.signal).catch(() => undefined);
      for (const job of busy) job.abandon();
    }
    await this.#store.close();
  }
}
