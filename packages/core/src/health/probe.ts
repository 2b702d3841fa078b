import { abortable, deadline } from '../kernel/abort.js';
import { messageOf } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { HistogramCell } from '../kernel/meter.js';
import type { Check, CheckResult } from '../kernel/room.js';
import { readCheckResult } from './check-result.js';
import { CheckTimeoutError } from './errors.js';
import { healthInstruments } from './metrics.js';
import { shownDetail } from './shown-detail.js';
import { type Patience, Verdict } from './verdict.js';

/** The rhythm of one probe. */
export interface ProbeOptions extends Patience {
  readonly shared: boolean;
  readonly intervalMs: number;
  readonly jitterRatio: number;
  readonly timeoutMs: number;
  readonly staleAfterMs: number;
}

/** Looks at one thing again and again, and remembers what it saw. */
export class Probe {
  readonly name: string;
  readonly critical: boolean;
  readonly shared: boolean;
  readonly #check: Check;
  readonly #options: ProbeOptions;
  readonly #kernel: Kernel;
  readonly #random: () => number;
  readonly #closing: AbortSignal;
  readonly #durations: HistogramCell;
  readonly #verdict: Verdict;
  #looking = false;
  #timer: Disposable | undefined;
  #detail: string | undefined;
  #seenAt: number | undefined;
  #checkedAt: number | undefined;
  #durationMs: number | undefined;

  /** `closing` ends the look that runs and all later ones. */
  constructor(
    check: Check,
    options: ProbeOptions,
    kernel: Kernel,
    random: () => number,
    closing: AbortSignal,
  ) {
    this.name = check.name;
    this.critical = check.critical;
    this.shared = options.shared;
    this.#check = check;
    this.#options = options;
    this.#kernel = kernel;
    this.#random = random;
    this.#closing = closing;
    this.#durations = kernel.meter.histogram(healthInstruments.duration, { component: check.name });
    this.#verdict = new Verdict(options);
    closing.addEventListener('abort', () => this.#timer?.[Symbol.dispose](), { once: true });
  }

  /** Unhealthy, too, when nothing was seen yet or for too long. */
  get status(): CheckResult['status'] {
    return this.#isStale() ? 'unhealthy' : (this.#verdict.status ?? 'unhealthy');
  }

  get detail(): string | undefined {
    if (this.#seenAt === undefined) return 'not looked at yet';
    return this.#isStale()
      ? `no look has finished for more than ${this.#options.staleAfterMs} ms`
      : this.#detail;
  }

  /** Epoch ms of the last finished look. */
  get checkedAt(): number | undefined {
    return this.#checkedAt;
  }

  get durationMs(): number | undefined {
    return this.#durationMs;
  }

  /** Looks for the first time, and from then on in the background. Resolves with the end of the first look; never rejects. */
  async start(): Promise<void> {
    this.#schedule();
    await this.#look();
  }

  #isStale(): boolean {
    return (
      this.#seenAt !== undefined && this.#kernel.clock.monotonic() - this.#seenAt > this.#options.staleAfterMs
    );
  }

  #schedule(): void {
    const { intervalMs, jitterRatio } = this.#options;
    if (this.#closing.aborted) return;
    this.#timer = this.#kernel.clock.after(intervalMs * (1 - jitterRatio * this.#random()), () => {
      this.#schedule();
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    const { clock } = this.#kernel;
    const { timeoutMs } = this.#options;
    // A check that ignores its signal may still be running: that is as bad as a look that times out.
    if (this.#looking) return this.#saw(failure(new CheckTimeoutError(this.name, timeoutMs)), timeoutMs);
    const beganAt = clock.monotonic();
    const scope = deadline(
      clock,
      timeoutMs,
      () => new CheckTimeoutError(this.name, timeoutMs),
      this.#closing,
    );
    let result: CheckResult;
    try {
      result = await abortable(this.#run(scope.signal), scope.signal);
    } catch (cause) {
      result = failure(cause);
    } finally {
      scope[Symbol.dispose]();
    }
    if (!this.#closing.aborted) this.#saw(result, clock.monotonic() - beganAt);
  }

  async #run(signal: AbortSignal): Promise<CheckResult> {
    this.#looking = true;
    try {
      return readCheckResult(this.name, await this.#check.run({ signal }));
    } finally {
      this.#looking = false;
    }
  }

  #saw(result: CheckResult, durationMs: number): void {
    const { clock, logger, meter } = this.#kernel;
    this.#seenAt = clock.monotonic();
    this.#checkedAt = clock.now();
    this.#durationMs = Math.round(durationMs * 10) / 10;
    this.#detail = result.detail && shownDetail(result.detail);
    this.#durations.record(durationMs / 1_000);
    if (!this.#verdict.add(result.status)) return;
    const fields = { component: this.name, status: result.status, detail: this.#detail };
    meter.counter(healthInstruments.changes, { component: this.name, status: result.status }).add();
    if (result.status === 'healthy') logger.info(fields, 'A component is healthy.');
    else logger.warn(fields, 'A component is not healthy.');
  }
}

function failure(cause: unknown): CheckResult {
  return { status: 'unhealthy', detail: messageOf(cause) };
}
