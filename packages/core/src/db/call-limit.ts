import { deadline } from '../kernel/abort.js';
import { PandoOptionsError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { CounterCell } from '../kernel/meter.js';
import type { CallOptions } from './api.js';
import { StatementTimeoutError } from './errors.js';
import { databaseInstruments } from './metrics.js';
import type { Operation } from './trail.js';

/** Ends calls when their own `timeoutMs` is over. */
export class CallLimit {
  readonly #kernel: Kernel;
  readonly #timeouts: CounterCell;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#timeouts = kernel.meter.counter(databaseInstruments.timeouts, { by: 'call' });
  }

  /** Runs a call that has a `timeoutMs`: its signal then aborts, too, when that is over. */
  async within<Options extends CallOptions, T>(
    operation: Operation,
    options: Options,
    run: (options: Options) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs = Number.NaN } = options;
    if (!(timeoutMs > 0 && Number.isFinite(timeoutMs))) {
      throw new PandoOptionsError({
        code: 'PANDO_DB_OPTIONS',
        message: `timeoutMs must be a positive number of milliseconds, got ${timeoutMs}.`,
      });
    }
    const late = () => {
      this.#timeouts.add();
      return new StatementTimeoutError(operation, timeoutMs);
    };
    const signal = options.signal ?? this.#signalOfRequest(operation);
    const limit = deadline(this.#kernel.clock, timeoutMs, late, signal);
    try {
      return await run({ ...options, signal: limit.signal });
    } finally {
      limit[Symbol.dispose]();
    }
  }

  /** A read ends with the request it is part of; what writes does not. */
  #signalOfRequest(operation: Operation): AbortSignal | undefined {
    const { contexts } = this.#kernel;
    return operation === 'read' && contexts.isOpen() ? contexts.current().signal : undefined;
  }
}
