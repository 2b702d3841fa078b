import { isPandoError } from '../kernel/errors.js';
import type { Applicant } from '../realtime/index.js';
import { DrainingError, StreamLimitError } from './errors.js';
import type { Kit } from './kit.js';

/** Says whether long-lived connections are taken: not while the instance drains, nor while a server of its door closes. */
export class StreamGate {
  readonly #kit: Kit;
  #closing = 0;

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** Why a new one would be refused now: an error with a status, and the time to wait where that helps. */
  refusal(applicant?: Applicant): Error | undefined {
    if (this.#closing > 0 || this.#kit.lifecycle.draining.aborted) return new DrainingError();
    const refusal = this.#kit.realtime.refusal(applicant);
    if (!isPandoError(refusal)) return refusal;
    if (refusal.code === 'PANDO_REALTIME_DRAINING') return new DrainingError();
    return refusal.status === 503 || refusal.status === 429 ? new StreamLimitError(refusal) : refusal;
  }

  /** Refuses all until disposed. */
  close(): Disposable {
    this.#closing++;
    return { [Symbol.dispose]: () => void this.#closing-- };
  }
}
