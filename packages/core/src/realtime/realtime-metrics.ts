import type { CounterCell, HistogramCell, Meter } from '../kernel/meter.js';
import type { ResetReason } from './message.js';
import { realtimeInstruments } from './metrics.js';
import {
  type EndReason,
  endReasons,
  type LimitReason,
  limitReasons,
  type RefusalReason,
  refusalReasons,
  resetReasons,
} from './reasons.js';

/** The room's cells, bound once. */
export class RealtimeMetrics {
  readonly gaps: CounterCell;
  readonly historyReads: CounterCell;
  readonly replayed: CounterCell;
  readonly parked: CounterCell;
  readonly dropped: CounterCell;
  readonly unreadable: CounterCell;
  readonly swept: CounterCell;
  readonly publishDuration: HistogramCell;
  readonly published: Readonly<Record<'added' | 'duplicate' | 'failed', CounterCell>>;
  readonly held: Readonly<Record<'caught-up' | 'late', CounterCell>>;
  readonly writes: Readonly<Record<'sse' | 'ws', CounterCell>>;
  readonly #resets: ReadonlyMap<ResetReason, CounterCell>;
  readonly #ended: ReadonlyMap<EndReason, CounterCell>;
  readonly #limited: ReadonlyMap<LimitReason, CounterCell>;
  readonly #refused: ReadonlyMap<RefusalReason, CounterCell>;

  constructor(meter: Meter) {
    const { gaps, historyReads, replayed, parked, publishDuration, published } = realtimeInstruments;
    const { writes, resets, ended, refused, swept, dropped, limited } = realtimeInstruments;
    this.gaps = meter.counter(gaps);
    this.historyReads = meter.counter(historyReads);
    this.replayed = meter.counter(replayed);
    this.parked = meter.counter(parked);
    this.dropped = meter.counter(dropped);
    this.unreadable = meter.counter(realtimeInstruments.unreadable);
    this.swept = meter.counter(swept);
    this.publishDuration = meter.histogram(publishDuration);
    this.published = {
      added: meter.counter(published, { outcome: 'added' }),
      duplicate: meter.counter(published, { outcome: 'duplicate' }),
      failed: meter.counter(published, { outcome: 'failed' }),
    };
    this.held = {
      'caught-up': meter.counter(realtimeInstruments.heldEvents, { outcome: 'caught-up' }),
      late: meter.counter(realtimeInstruments.heldEvents, { outcome: 'late' }),
    };
    this.writes = {
      sse: meter.counter(writes, { transport: 'sse' }),
      ws: meter.counter(writes, { transport: 'ws' }),
    };
    this.#resets = new Map(resetReasons.map((reason) => [reason, meter.counter(resets, { reason })]));
    this.#refused = new Map(refusalReasons.map((reason) => [reason, meter.counter(refused, { reason })]));
    this.#limited = new Map(limitReasons.map((reason) => [reason, meter.counter(limited, { reason })]));
    this.#ended = new Map(endReasons.map((reason) => [reason, meter.counter(ended, { reason })]));
  }

  reset(reason: ResetReason): void {
    this.#resets.get(reason)?.add();
  }

  refused(reason: RefusalReason): void {
    this.#refused.get(reason)?.add();
  }

  limited(reason: LimitReason): void {
    this.#limited.get(reason)?.add();
  }

  ended(reason: EndReason): void {
    this.#ended.get(reason)?.add();
  }
}
