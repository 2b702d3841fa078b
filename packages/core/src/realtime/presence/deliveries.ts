import type { PresenceChange, PresenceStore } from './ports.js';
import type { Crowd, Errand, Stay } from './stay.js';

/** What deliveries stand on. */
export interface DeliveriesInit {
  readonly store: Pick<PresenceStore, 'change'>;
  readonly life: string;
  /** The store has it. */
  onDone(errands: readonly Errand[]): void;
  /** The life holds no lease. Nothing more is brought until {@link Deliveries.resume}. */
  onRefused(): void;
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
 * only so many channels have one: after an outage everything is told again, and that must not bury the store. Held until the
 * first {@link Deliveries.resume}.
 */
export class Deliveries {
  readonly #init: DeliveriesInit;
  readonly #due = new Set<Crowd>();
  #calls = 0;
  #isScheduled = false;
  #isHeld = true;

  constructor(init: DeliveriesInit) {
    this.#init = init;
  }

  /** Whether nothing is brought: from the start, and whenever the store did not take what was brought. */
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
    this.#schedule();
  }

  #add(crowd: Crowd): void {
    this.#due.add(crowd);
    this.#schedule();
  }

  #schedule(): void {
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
    const { store, life, onDone, onRefused, onFailure } = this.#init;
    const errands = crowd.take(MAX_CHANGES);
    this.#calls++;
    crowd.isBusy = true;
    try {
      const changes = errands.map(({ change }) => change);
      if (await store.change(crowd.channel, life, changes)) onDone(errands);
      else if (this.#takeBack(crowd, errands)) onRefused();
    } catch (cause) {
      if (this.#takeBack(crowd, errands)) onFailure(cause);
    }
    this.#calls--;
    crowd.isBusy = false;
    if (crowd.isDue) this.#due.add(crowd);
    this.#send();
  }

  /** Whether these are the first to come back. */
  #takeBack(crowd: Crowd, errands: readonly Errand[]): boolean {
    const isFirst = !this.#isHeld;
    this.#isHeld = true;
    for (const { stay, change } of errands) crowd.note(stay, change.kind);
    return isFirst;
  }
}
