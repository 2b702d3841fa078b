import { PandoError } from '../kernel/errors.js';

/**
 * An instrument is described in a way that Prometheus would refuse, or differs from another of its name.
 *
 * Correct its name, labels or buckets as the message says. Thrown when a cell is bound, never while recording.
 */
export class InstrumentError extends PandoError {
  constructor(name: string, problem: string) {
    super({
      code: 'PANDO_METRICS_INSTRUMENT',
      message: `The instrument "${name}" ${problem}.`,
    });
  }
}
