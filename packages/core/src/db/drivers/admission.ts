import type { Clock } from '../../kernel/clock.js';
import type { AcquireOptions, Lane, Urgency } from '../ports.js';
import { Waiter, WaitLine } from './wait-line.js';

/** How many may be inside, and how many may wait outside. */
export interface AdmissionOptions {
  readonly max: number;
  readonly maxWaiting: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The refusal: of a caller for whom the queue has no room, or (with `waitedMs`) of one that has waited long enough. */
  readonly overloaded: (waiting: number, waitedMs: number | undefined) => Error;
}

/**
 * How much longer than a write others may have to wait before they are served ahead of it, as a share of the longest wait.
 * An advance, not a rank: who is behind everybody moves up with time, and is never passed for good.
 */
const advanceRatios: Readonly<Record<Urgency, number>> = { write: 0, read: 0.1, batch: 0.4 };
const urgencies: readonly Urgency[] = ['write', 'read', 'batch'];

/**
 * Lets a bounded number in, and a bounded number wait: who is urgent first, then in order of arrival.
 *
 * Callers of the lane `spill` hold at most half of the places, so that reads which lost their replicas
 * cannot shut writes out; those behind them pass. A place that is given back may hold something of use to whoever gets it.
 */
export class Admission<T> {
  readonly #options: AdmissionOptions;
  readonly #lines: Readonly<Record<Lane, Readonly<Record<Urgency, WaitLine<T>>>>>;
  readonly #all: readonly WaitLine<T>[];
  #max: number;
  #spillMax = 0;
  #inUse = 0;
  #spilled = 0;
  #closedBy: Error | undefined;
  #whenEmpty: (() => void)[] = [];

  constructor(options: AdmissionOptions) {
    const lines = () => ({ write: new WaitLine<T>(), read: new WaitLine<T>(), batch: new WaitLine<T>() });
    this.#options = options;
    this.#lines = { main: lines(), spill: lines() };
    this.#all = Object.values(this.#lines).flatMap((lane) => urgencies.map((urgency) => lane[urgency]));
    this.#max = options.max;
    this.resize(options.max);
  }

  get max(): number {
    return this.#max;
  }

  get inUse(): number {
    return this.#inUse;
  }

  get waiting(): number {
    let count = 0;
    for (const { length } of this.#all) count += length;
    return count;
  }

  /** How long who has waited longest has waited; 0 where nobody waits. */
  get waitedMs(): number {
    const now = this.#options.clock.monotonic();
    let longest = 0;
    for (const { first } of this.#all) if (first) longest = Math.max(longest, now - first.since);
    return longest;
  }

  /**
   * Resolves when the caller may go in, with what its place holds; `isBack`: it had been in, and left for want of something, so it does not wait
   * behind others again. Rejects when it may not, or with its signal's reason.
   */
  async enter(options: AcquireOptions, isBack = false): Promise<T | undefined> {
    options.signal?.throwIfAborted();
    if (this.#closedBy) throw this.#closedBy;
    // Room is handed to those who wait as soon as it appears: who finds room here passes nobody who could use it.
    if (!this.#hasRoom(options.lane)) return this.#wait(options, isBack);
    this.#admit(options.lane);
    return undefined;
  }

  /** Gives a place back; whoever is due next gets what it holds. Returns whether somebody did. */
  leave(lane: Lane, content?: T): boolean {
    this.#inUse -= 1;
    if (lane === 'spill') this.#spilled -= 1;
    const next = this.#next();
    if (next !== undefined) this.#letIn(next, content);
    this.#admitNext();
    if (this.#inUse === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
    return next !== undefined;
  }

  /** Changes how many may be inside; nobody is turned out. */
  resize(max: number): void {
    this.#max = max;
    this.#spillMax = Math.max(1, Math.floor(max / 2));
    this.#admitNext();
  }

  /** Resolves when nobody is inside. */
  empty(): Promise<void> {
    return this.#inUse === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  /** Refuses everybody outside from now on. */
  close(reason: Error): void {
    this.#closedBy = reason;
    for (const line of this.#all) while (line.first) line.first.refuse(reason);
  }

  #wait(options: AcquireOptions, isBack: boolean): Promise<T | undefined> {
    const { timeoutMs: longestMs, clock } = this.#options;
    const timeoutMs = Math.max(0, Math.min(longestMs, options.timeoutMs ?? Number.POSITIVE_INFINITY));
    const { lane, urgency = 'write' } = options;
    const since = clock.monotonic();
    const dueAt = since + longestMs * advanceRatios[urgency];
    if (!isBack) this.#makeRoomToWait(dueAt);
    return new Promise<T | undefined>((resolve, reject) => {
      const waiter = new Waiter<T>(options, { since, dueAt }, resolve, reject);
      waiter.timer = clock.after(timeoutMs, () =>
        waiter.refuse(this.#options.overloaded(this.waiting - 1, Math.round(timeoutMs))),
      );
      const line = this.#lines[lane][urgency];
      if (isBack) line.addFirst(waiter);
      else line.add(waiter);
    });
  }

  /** A full queue gives up whoever would be served last, be it the newcomer. */
  #makeRoomToWait(dueAt: number): void {
    const { waiting } = this;
    if (waiting < this.#options.maxWaiting) return;
    const refusal = this.#options.overloaded(waiting, undefined);
    let last: Waiter<T> | undefined;
    for (const line of this.#all) {
      if (line.last !== undefined && line.last.dueAt > (last?.dueAt ?? dueAt)) last = line.last;
    }
    if (last === undefined) throw refusal;
    last.refuse(refusal);
  }

  #admitNext(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) this.#letIn(next, undefined);
  }

  #letIn(waiter: Waiter<T>, content: T | undefined): void {
    this.#admit(waiter.options.lane);
    waiter.admit(content);
  }

  /** Who is due first among those for whom there is room. */
  #next(): Waiter<T> | undefined {
    let next: Waiter<T> | undefined;
    for (const { first } of this.#all) {
      if (first === undefined || (next !== undefined && first.dueAt >= next.dueAt)) continue;
      if (this.#hasRoom(first.options.lane)) next = first;
    }
    return next;
  }

  #admit(lane: Lane): void {
    this.#inUse += 1;
    if (lane === 'spill') this.#spilled += 1;
  }

  #hasRoom(lane: Lane): boolean {
    return this.#inUse < this.#max && (lane !== 'spill' || this.#spilled < this.#spillMax);
  }
}
