import { DrainingError } from './errors.js';
import type { Kit } from './kit.js';

/** Says whether long-lived connections are taken: not while the instance drains, nor while a server of its door closes. */
export class StreamGate {
  readonly #kit: Kit;
  #closing = 0;

  constructor(kit: Kit) {
    this.#kit = kit;
  }

  /** Why a new one would be refused now: an error with a status. */
  refusal(channels?: readonly string[]): Error | undefined {
    if (this.#closing > 0 || this.#kit.lifecycle.draining.aborted) return new DrainingError();
    return this.#kit.realtime.refusal(channels);
  }

  /** Refuses all until disposed. */
  close(): Disposable {
    this.#closing++;
    return { [Symbol.dispose]: () => void this.#closing-- };
  }
}
