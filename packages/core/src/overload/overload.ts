import type { Signalled } from '../kernel/abort.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import { RetryBudget } from '../kernel/retry-budget.js';
import type { Check, Room } from '../kernel/room.js';
import { UnknownGroupError } from './errors.js';
import { type AdmittedOutcome, Group } from './group.js';
import { LagControl } from './lag-control.js';
import { overloadInstruments } from './metrics.js';
import type { OverloadMode, ResolvedOverloadOptions } from './options.js';
import type { LagMeter, LoopWatch, OverloadGuard } from './ports.js';
import { type RequestPriority, shares } from './priority.js';
import { TurnGate } from './turn-gate.js';

/** What asks to be admitted. */
export interface AdmissionRequest extends Signalled {
  /** @defaultValue `'normal'` */
  readonly priority?: RequestPriority | undefined;
  /** Of `overload.groups`. @defaultValue `'default'` */
  readonly group?: string | undefined;
  /** Epoch ms after which the outcome is of no use. */
  readonly deadlineAt?: number | undefined;
}

/**
 * Why something was refused: as much as is good was in progress already (`concurrency`); the event loop was late (`lag`); the
 * heap was nearly full (`memory`); too many waited for the database (`waiting`); its deadline had passed (`expired`), or its
 * client had left (`gone`).
 */
export type OverloadReason = 'concurrency' | 'lag' | 'memory' | 'waiting' | 'expired' | 'gone';

/** Leave to begin. Say when it is over, or the room believes for ever that it goes on. */
export interface AdmissionPermit {
  readonly admitted: true;
  /** It is over. Only the first call counts. @defaultValue `'answered'` */
  done(outcome?: AdmittedOutcome): void;
}

/** No leave to begin. */
export interface AdmissionRefusal {
  readonly admitted: false;
  readonly reason: OverloadReason;
  /** When to ask again: another time for each, so that those who were refused together do not come back together. */
  readonly retryAfterMs: number;
}

/** The outcome of {@link Overload.admit}. A refusal is a value, not an error. */
export type Admission = AdmissionPermit | AdmissionRefusal;

/** Retries that may be made of one kind of call: for every ten calls one, and ten at most after a quiet time. */
export interface CallBudget {
  /** Call it once for each call, when it is made for the first time. */
  called(): void;
  /** Whether the call may be made again; takes that off the budget. */
  mayRetry(): boolean;
}

/** How much of one group is in progress. */
export interface GroupLoad {
  readonly inFlight: number;
  /** How much there may be now. */
  readonly limit: number;
}

/** Keeps an instance from taking upon itself more than it can do. */
export interface Overload extends Room {
  readonly name: 'overload';
  readonly mode: OverloadMode;
  /** The header that names a client's deadline; in lower case. */
  readonly deadlineHeader: string | false;
  /**
   * Decides, at once, whether something may begin. Costs no I/O and keeps nothing waiting.
   *
   * @throws `UnknownGroupError`
   *
   * @example
   * ```ts
   * import { createOverload } from '@pando/core/overload';
   *
   * const overload = createOverload();
   * const admission = overload.admit({ priority: 'sheddable' });
   * if (!admission.admitted) throw new Error(`Busy. Try again in ${admission.retryAfterMs} ms.`);
   * try {
   *   await updatePost();
   * } finally {
   *   admission.done();
   * }
   * ```
   */
  admit(request?: AdmissionRequest): Admission;
  /**
   * Says that a server has accepted a connection. Where each request has one of its own, most of what waits has not been
   * accepted yet. Adapters say it.
   */
  accepted(): void;
  /** Checks at once that there is such a group. @throws `UnknownGroupError` */
  checkGroup(name: string): void;
  /** The budget of that name, for the whole process: what retries the same thing shares one. */
  retryBudget(name: string): CallBudget;
  /** How busy each group is now. */
  groups(): ReadonlyMap<string, GroupLoad>;
}

/** What surrounds the room. */
export interface OverloadSurroundings {
  readonly measureLag: () => LagMeter;
  readonly watchLoop: () => LoopWatch;
  readonly guards: readonly OverloadGuard[];
  readonly random: () => number;
}

const lookMs = 100;
/** A moment of that is no overload yet. */
const looksUntilFull = 2;
const retryFromMs = 1_000;
const retryUpToMs = 3_000;

/** The manager behind {@link Overload}. */
export class OverloadRoom implements Overload {
  readonly name = 'overload';
  readonly mode: OverloadMode;
  readonly deadlineHeader: string | false;
  readonly #kernel: Kernel;
  readonly #surroundings: OverloadSurroundings;
  readonly #groups = new Map<string, Group>();
  readonly #counted = new Map<string, CounterCell>();
  readonly #budgets = new Map<string, CallBudget>();
  readonly #control: LagControl | undefined;
  /** How often in a row each guard was over. */
  readonly #over = new Map<OverloadGuard, number>();
  readonly #open: Disposable[] = [];
  #gate: TurnGate | undefined;
  #full: OverloadGuard['reason'] | undefined;
  #lookedAt = 0;

  constructor(kernel: Kernel, options: ResolvedOverloadOptions, surroundings: OverloadSurroundings) {
    this.mode = options.mode;
    this.deadlineHeader = options.deadlineHeader;
    this.#kernel = kernel;
    this.#surroundings = surroundings;
    this.#control = options.targetLagMs === false ? undefined : new LagControl(options.targetLagMs);
    for (const [name, bounds] of options.groups) {
      this.#groups.set(name, new Group(name, bounds, kernel.clock));
    }
  }

  async start(): Promise<void> {
    if (this.#open.length > 0) return;
    const { clock, meter } = this.#kernel;
    for (const group of this.#groups.values()) {
      const labels = { group: group.name };
      this.#open.push(
        meter.observe(overloadInstruments.limit, () => group.limit, labels),
        meter.observe(overloadInstruments.inFlight, () => group.inFlight, labels),
      );
    }
    this.#open.push(meter.observe(overloadInstruments.shedRatio, () => this.#control?.shedRatio ?? 0));
    const loop = this.#listen();
    this.#lookedAt = clock.monotonic();
    this.#open.push(clock.every(lookMs, () => this.#look(loop)));
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {
    for (const open of this.#open.splice(0)) open[Symbol.dispose]();
    this.#gate = undefined;
    this.#full = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    return [];
  }

  admit(request: AdmissionRequest = {}): Admission {
    const { priority = 'normal' } = request;
    const group = this.#group(request.group ?? 'default');
    const reason = this.#objection(request, priority, group);
    this.#count(group, priority, reason ?? 'admitted');
    if (reason === undefined || this.mode === 'observe') return new Permit(group);
    const retryAfterMs = retryFromMs + this.#surroundings.random() * (retryUpToMs - retryFromMs);
    return { admitted: false, reason, retryAfterMs };
  }

  accepted(): void {
    this.#gate?.accepted();
  }

  checkGroup(name: string): void {
    this.#group(name);
  }

  retryBudget(name: string): CallBudget {
    let budget = this.#budgets.get(name);
    if (budget === undefined) {
      const { meter } = this.#kernel;
      const counted = (outcome: string) =>
        meter.counter(overloadInstruments.retries, { budget: name, outcome });
      budget = new MeteredBudget(counted('granted'), counted('refused'));
      this.#budgets.set(name, budget);
    }
    return budget;
  }

  groups(): ReadonlyMap<string, GroupLoad> {
    return new Map([...this.#groups].map(([name, { inFlight, limit }]) => [name, { inFlight, limit }]));
  }

  #objection(
    { deadlineAt, signal }: AdmissionRequest,
    priority: RequestPriority,
    group: Group,
  ): OverloadReason | undefined {
    if (signal?.aborted) return 'gone';
    if (deadlineAt !== undefined && deadlineAt <= this.#kernel.clock.now()) return 'expired';
    if (this.#full !== undefined && priority !== 'critical') return this.#full;
    if (this.#gate?.refuses(priority)) return 'lag';
    if (this.#control?.refuses(priority, this.#surroundings.random())) return 'lag';
    return group.hasRoom(shares[priority]) ? undefined : 'concurrency';
  }

  #group(name: string): Group {
    const group = this.#groups.get(name);
    if (group === undefined) throw new UnknownGroupError(name, this.#groups.keys());
    return group;
  }

  #count(group: Group, priority: RequestPriority, outcome: string): void {
    const key = `${outcome} ${priority} ${group.name}`;
    let cell = this.#counted.get(key);
    if (cell === undefined) {
      const labels = { group: group.name, priority, outcome };
      cell = this.#kernel.meter.counter(overloadInstruments.requests, labels);
      this.#counted.set(key, cell);
    }
    cell.add();
  }

  /** Listens to the event loop, unless it is to be left alone. */
  #listen(): Loop | undefined {
    const control = this.#control;
    if (control === undefined) return undefined;
    const lag = this.#surroundings.measureLag();
    const watch = this.#surroundings.watchLoop();
    this.#gate = new TurnGate(control.targetMs, watch, this.#kernel.clock);
    this.#open.push(lag, this.#gate);
    return { control, lag, watch, restedMs: watch.restedMs() };
  }

  #look(loop: Loop | undefined): void {
    const now = this.#kernel.clock.monotonic();
    // A loop that stood still all the time has had nobody measure it but this timer, which is late itself.
    const lastedMs = now - this.#lookedAt;
    this.#lookedAt = now;
    if (loop !== undefined) {
      const restedMs = loop.watch.restedMs();
      const lagMs = Math.max(loop.lag.take(), lastedMs - lookMs);
      loop.control.look(lagMs, 1 - (restedMs - loop.restedMs) / lastedMs);
      loop.restedMs = restedMs;
    }
    this.#full = undefined;
    for (const guard of this.#surroundings.guards) {
      const inARow = guard.isOver() ? (this.#over.get(guard) ?? 0) + 1 : 0;
      this.#over.set(guard, inARow);
      if (inARow >= looksUntilFull) this.#full ??= guard.reason;
    }
  }
}

/** What is known of the event loop while the room listens to it. */
interface Loop {
  readonly control: LagControl;
  readonly lag: LagMeter;
  readonly watch: LoopWatch;
  /** As of the last look. */
  restedMs: number;
}

class Permit implements AdmissionPermit {
  readonly admitted = true;
  readonly #enteredAt: number;
  #group: Group | undefined;

  constructor(group: Group) {
    this.#group = group;
    this.#enteredAt = group.enter();
  }

  done(outcome: AdmittedOutcome = 'answered'): void {
    const group = this.#group;
    this.#group = undefined;
    group?.leave(this.#enteredAt, outcome);
  }
}

class MeteredBudget implements CallBudget {
  readonly #budget = new RetryBudget();
  readonly #granted: CounterCell;
  readonly #refused: CounterCell;

  constructor(granted: CounterCell, refused: CounterCell) {
    this.#granted = granted;
    this.#refused = refused;
  }

  called(): void {
    this.#budget.earn();
  }

  mayRetry(): boolean {
    const isGranted = this.#budget.spend();
    (isGranted ? this.#granted : this.#refused).add();
    return isGranted;
  }
}
