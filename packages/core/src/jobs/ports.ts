import type { Signalled } from '../kernel/abort.js';

/** How a job stands in the whole fleet. Instants are epoch milliseconds of the store's clock. */
export interface JobStanding {
  readonly now: number;
  /** Up to then all runs are settled: carried out, or left out. */
  readonly last: number;
  /** End of the lease of who runs it; past when nobody does. */
  readonly until: number;
  /** Who runs it, or did when it died; empty for nobody. */
  readonly owner: string;
}

/** What became of a {@link JobStore.claim}. */
export interface JobClaim extends JobStanding {
  /**
   * `taken`: the run is the caller's. `late` and `given up`: it is settled, and nobody runs it. `stands`: there is nothing to
   * take, or somebody else has it.
   */
  readonly outcome: 'taken' | 'late' | 'given up' | 'stands';
  /** Grows with every run of the job. */
  readonly token: number;
  /** Which time this run is begun, from 1. */
  readonly attempt: number;
}

/** A run that somebody wants to take. */
export interface DueRun {
  /** Names the claim: who got no answer asks again under the same name, and gets what it has taken without knowing. */
  readonly claimId: string;
  /** {@link JobStanding.last} from which it was reckoned. */
  readonly last: number;
  readonly dueAt: number;
  readonly leaseMs: number;
  /** Later than that after `dueAt` it is left out. */
  readonly startWithinMs: number | undefined;
  readonly maxAttempts: number;
}

/**
 * Where instances agree on who runs what.
 *
 * **Atomicity.** Of any number of claims of one run one takes it; who takes it has it until the lease ends.
 * **Clock.** Only the store's counts, and it tells it with each answer.
 * **Failure.** A call that cannot reach the store within a bound rejects; it may have been carried out.
 */
export interface JobStore extends AsyncDisposable {
  /** Opens what the store needs; `onRestored` is called whenever it answers again. Resolves even while it cannot be reached. */
  start(onRestored: () => void, options?: Signalled): Promise<void>;
  /** How the job stands; who asks first of all begins to count from now. */
  look(job: string, options?: Signalled): Promise<JobStanding>;
  claim(job: string, run: DueRun): Promise<JobClaim>;
  /** Makes the lease longer; false when the run is not the caller's any more. */
  renew(job: string, token: number, leaseMs: number): Promise<boolean>;
  /** The run has ended; what came due meanwhile is settled with it. False when the run is not the caller's any more. */
  finish(job: string, token: number): Promise<boolean>;
  /** The run was not begun after all: others may take it at once, as if nobody had. False when it is not the caller's any more. */
  giveBack(job: string, token: number): Promise<boolean>;
  /** Idempotent; never rejects. */
  close(): Promise<void>;
}
