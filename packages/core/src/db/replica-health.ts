import type { ServerState } from './api.js';

/** Limits of {@link ReplicaHealth}. */
export interface ReplicaHealthOptions {
  readonly maxLagMs: number;
  readonly warmupMs: number;
}

/** How many looks in a row it takes to call a replica lagging, or to call it caught up. */
const looks = 2;
/** The share with which a replica comes back: its caches are cold. */
const leastShare = 0.1;

/** Decides whether a replica is in rotation, from one look after the other. Knows no clock. */
export class ReplicaHealth {
  readonly #options: ReplicaHealthOptions;
  #state: 'up' | 'lagging' | 'down' = 'down';
  #reason: string | undefined = 'not reached yet';
  #lagMs: number | undefined;
  /** Looks in a row that speak against the present state. */
  #against = 0;
  #hasBeenUp = false;
  #backSince: number | undefined;

  constructor(options: ReplicaHealthOptions) {
    this.#options = options;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  get lagMs(): number | undefined {
    return this.#lagMs;
  }

  get isInRotation(): boolean {
    return this.#state === 'up';
  }

  /** A look found the replica where it should be, this far behind; undefined: nobody can tell, and it does not count as lagging. */
  seen(knownLagMs: number | undefined, now: number): void {
    const { maxLagMs } = this.#options;
    const lagMs = knownLagMs ?? 0;
    this.#lagMs = Number.isFinite(lagMs) ? knownLagMs : undefined;
    if (this.#state === 'down') {
      if (lagMs <= maxLagMs) this.#return(now);
      else this.#lag(lagMs);
      return;
    }
    const isAgainst = this.#state === 'up' ? lagMs > maxLagMs : lagMs <= maxLagMs / 2;
    this.#against = isAgainst ? this.#against + 1 : 0;
    if (this.#against >= looks) {
      if (this.#state === 'up') this.#lag(lagMs);
      else this.#return(now);
    }
  }

  /** A look failed, or found something that must not be read from. */
  failed(reason: string): void {
    this.#state = 'down';
    this.#reason = reason;
    this.#lagMs = undefined;
    this.#against = 0;
  }

  state(now: number): ServerState {
    return this.#state === 'up' && this.share(now) < 1 ? 'warming' : this.#state;
  }

  /** Which part of its weight counts: it grows after the replica has come back. */
  share(now: number): number {
    if (this.#backSince === undefined) return 1;
    const share = (now - this.#backSince) / this.#options.warmupMs;
    if (!(share < 1)) {
      this.#backSince = undefined;
      return 1;
    }
    return Math.max(leastShare, share);
  }

  #lag(lagMs: number): void {
    this.#state = 'lagging';
    this.#reason = Number.isFinite(lagMs)
      ? `${Math.round(lagMs)} ms behind the primary, more than ${this.#options.maxLagMs} ms`
      : 'behind where the primary was when it was first seen';
    this.#against = 0;
  }

  #return(now: number): void {
    this.#backSince = this.#hasBeenUp ? now : undefined;
    this.#hasBeenUp = true;
    this.#state = 'up';
    this.#reason = undefined;
    this.#against = 0;
  }
}
