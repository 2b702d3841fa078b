import type { CounterCell, HistogramCell, Labels, Meter } from '../../kernel/meter.js';
import { databaseInstruments } from '../metrics.js';
import type { Pool } from '../ports.js';

/** What one pool records. */
export class PoolMeters implements Disposable {
  readonly connected: CounterCell;
  readonly unconnected: CounterCell;
  readonly discarded: (reason: string) => CounterCell;
  readonly refused: (reason: string) => CounterCell;
  readonly waitSeconds: HistogramCell;
  readonly useSeconds: HistogramCell;
  readonly connectSeconds: HistogramCell;
  readonly #gauges: readonly Disposable[];

  constructor(meter: Meter, server: string, pool: Pool & { readonly limit: number }) {
    const { connects, discards, refused, connections, limit, waiting } = databaseInstruments;
    this.connected = meter.counter(connects, { server, outcome: 'connected' });
    this.unconnected = meter.counter(connects, { server, outcome: 'failed' });
    this.discarded = (reason) => meter.counter(discards, { server, reason });
    this.refused = (reason) => meter.counter(refused, { server, reason });
    const { poolWaitSeconds, poolUseSeconds, connectSeconds } = databaseInstruments;
    this.waitSeconds = meter.histogram(poolWaitSeconds, { server });
    this.useSeconds = meter.histogram(poolUseSeconds, { server });
    this.connectSeconds = meter.histogram(connectSeconds, { server });
    const gauge = (read: () => number, instrument: Parameters<Meter['observe']>[0], labels: Labels) =>
      meter.observe(instrument, read, labels);
    this.#gauges = [
      gauge(() => pool.inUse, connections, { server, state: 'in_use' }),
      gauge(() => pool.idle, connections, { server, state: 'idle' }),
      gauge(() => pool.waiting, waiting, { server }),
      gauge(() => pool.limit, limit, { server }),
    ];
  }

  [Symbol.dispose](): void {
    for (const gauge of this.#gauges) gauge[Symbol.dispose]();
  }
}
