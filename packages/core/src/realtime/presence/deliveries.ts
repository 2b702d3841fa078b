import type { PresenceChange, PresenceLease, PresenceStore } from './ports.js';
import type { Crowd, Errand, Stay } from './stay.js';

/** What deliveries stand on. */
export interface DeliveriesInit {
  readonly store: PresenceStore;
  readonly lease: PresenceLease;
  /** The store has it; `held`: whether our lease was still valid until then. */
  onDone(errands: readonly Errand[], held: boolean): void;
  /** The store did not answer. Nothing more is brought until {@link Deliveries.resume}. */
  onFailure(cause: unknown): void;
}

/** Changes of one call: what one entry of a log should hold. */
const MAX_CHANGES = 128;
/** Calls that may be under way at once. */
const MAX_CALLS = 16;

/**
 * Brings to the store what it has to be told.
 *
 * What happens on a channel in one turn of the event loop goes in one call. A channel has one call under way at a time, and
 * only so many channels have one: after an outage everything is told again, and that must not bury the store.
 */
export class Deliveries {
  readonly #init: DeliveriesInit;
  readonly #due = new Set<Crowd>();
  #calls = 0;
  #isScheduled = false;
  #isHeld = false;

  constructor(init: DeliveriesInit) {
    this.#init = init;
  }

  /** Whether nothing is brought because the store did not answer. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  bring(stay: Stay, kind: PresenceChange['kind']): void {
    stay.crowd.note(stay, kind);
    this.#add(stay.crowd);
  }

  bringAll(crowd: Crowd): void {
    crowd.noteAll();
    this.#add(crowd);
  }

  /** Begins no more calls. */
  hold(): void {
    this.#isHeld = true;
  }

  resume(): void {
    this.#isHeld = false;
    this.#send();
  }

  #add(crowd: Crowd): void {
    this.#due.add(crowd);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#send);
  }

  readonly #send = (): void => {
    this.#isScheduled = false;
    for (const crowd of this.#due) {
      if (this.#isHeld || this.#calls >= MAX_CALLS) return;
      if (crowd.isBusy) continue;
      this.#due.delete(crowd);
      void this.#call(crowd);
    }
  };

  /** Never rejects. */
  async #call(crowd: Crowd): Promise<void> {
    const { store, lease, onDone, onFailure } = this.#init;
    const errands = crowd.take(MAX_CHANGES);
    this.#calls++;
    crowd.isBusy = true;
    try {
      const changes = errands.map(({ change }) => change);
      onDone(errands, await store.change(crowd.channel, lease, changes));
    } catch (cause) {
      for (const { stay, change } of errands) crowd.note(stay, change.kind);
      this.#isHeld = true;
      onFailure(cause);
    }
    this.#calls--;
    crowd.isBusy = false;
    if (crowd.isDue) this.#due.add(crowd);
    this.#send();
  }
}
