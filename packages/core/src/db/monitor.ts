import { abortable, type Signalled } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import { ClosedError } from '../kernel/errors.js';
import type { Backend, Connection, ServerReport } from './ports.js';

/** What a server said, and when it was asked: it may have been further by the time it answered, never less far. */
export interface Sample {
  readonly report: ServerReport;
  /** Monotonic instant before the question was sent. */
  readonly sentAt: number;
}

/** What a monitor tells its server. */
export interface MonitorEvents {
  sampled(sample: Sample): void;
  failed(cause: unknown): void;
  /** The monitor's own session ended without its doing. */
  lost(cause: unknown): void;
}

/** How often a monitor asks, and how long it waits for the answer. */
export interface MonitorOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

const retryUpToMs = 2_000;
/** Time for an answer that has arrived while this process stood still: timers come before input then. */
const secondLookMs = 50;

/**
 * Asks one server again and again how far it is, on a connection of its own.
 *
 * The pool may be exhausted or its connections blocked: the monitor still sees.
 */
export class Monitor {
  readonly #backend: Backend;
  readonly #options: MonitorOptions;
  readonly #events: MonitorEvents;
  #connection: Connection | undefined;
  #asking: Promise<Sample> | undefined;
  #next: Disposable | undefined;
  #isStarted = false;
  #isClosed = false;
  #failures = 0;

  constructor(backend: Backend, options: MonitorOptions, events: MonitorEvents) {
    this.#backend = backend;
    this.#options = options;
    this.#events = events;
  }

  /** Begins to ask at the interval. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#schedule();
  }

  /** Asks out of turn, or joins the question that is on its way. Rejects when the server does not answer. */
  sample({ signal }: Signalled = {}): Promise<Sample> {
    if (this.#isClosed) return Promise.reject(new ClosedError(`The monitor of ${this.#backend.label}`));
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
      this.#schedule();
    });
    this.#asking.catch(() => undefined); // told by `failed`
    return abortable(this.#asking, signal);
  }

  /** Asks as soon as possible, without anybody waiting for it. */
  refresh(): void {
    if (!this.#isStarted || this.#isClosed) return;
    this.#next?.[Symbol.dispose]();
    this.#next = this.#options.clock.after(0, () => void this.sample().catch(() => undefined));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#next?.[Symbol.dispose]();
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection?.isIdle) await connection.close();
    else connection?.destroy();
  }

  async #ask(): Promise<Sample> {
    try {
      const connection = await this.#connected();
      const sentAt = this.#options.clock.monotonic();
      const sample = { report: await this.#answer(connection), sentAt };
      this.#failures = 0;
      if (!this.#isClosed) this.#events.sampled(sample);
      return sample;
    } catch (error) {
      this.#failures += 1;
      this.#connection?.destroy();
      this.#connection = undefined;
      if (!this.#isClosed) this.#events.failed(error);
      throw error;
    }
  }

  async #connected(): Promise<Connection> {
    if (this.#connection?.isOpen) return this.#connection;
    const connection = await this.#backend.connect({ onLost: (cause) => this.#lost(cause) });
    if (this.#isClosed) {
      connection.destroy();
      throw new ClosedError(`The monitor of ${this.#backend.label}`);
    }
    this.#connection = connection;
    return connection;
  }

  async #answer(connection: Connection): Promise<ServerReport> {
    const { clock, timeoutMs } = this.#options;
    let limit = clock.after(timeoutMs, () => {
      limit = clock.after(secondLookMs, () => connection.destroy());
    });
    try {
      return await connection.report();
    } finally {
      limit[Symbol.dispose]();
    }
  }

  #lost(cause: unknown): void {
    this.#events.lost(cause);
    this.refresh();
  }

  #schedule(): void {
    if (!this.#isStarted || this.#isClosed) return;
    this.#next?.[Symbol.dispose]();
    const { clock, intervalMs } = this.#options;
    // Jitter keeps the instances of a fleet from returning in step.
    const retryMs =
      Math.min(intervalMs * 2 ** (this.#failures - 1), retryUpToMs) * (0.8 + Math.random() * 0.4);
    const delayMs = this.#failures === 0 ? intervalMs : retryMs;
    this.#next = clock.after(delayMs, () => void this.sample().catch(() => undefined));
  }
}
