import type { LimitAsk, LimitStore, LimitVerdict } from './ports.js';

/** An ask that hears of its outcome, once. */
export interface QueuedAsk extends LimitAsk {
  succeed(verdict: LimitVerdict): void;
  fail(cause: unknown): void;
}

/** Asks of one call: the store does nothing else meanwhile. */
export const MAX_ASKS = 256;
/** So many wait before a second call goes out beside the first: the store works on one while this process reads the other. */
const CROWD = 16;
const MAX_CALLS = 2;
/** After so many in a row that came alone, the next waits for no company. */
const LONERS = 8;

/**
 * Asks a store in one call for everything that is asked about one place in one turn of the event loop.
 *
 * A single ask leaves within its turn, and at once where none before it had company. While others are under way, asks wait for
 * the answer, or for a crowd; but not on behind a call that fails: who has waited that long must not wait as long again.
 */
export class AskQueue {
  readonly #store: Pick<LimitStore, 'ask'>;
  readonly #flush = () => this.#send();
  #waiting: QueuedAsk[] = [];
  #calls = 0;
  #isDue = false;
  /** Whether several came together lately, so that it pays to wait for the end of the turn. */
  #isBusy = false;
  /** How many in a row came alone: while they were under way, nobody else came. */
  #loners = 0;

  constructor(store: Pick<LimitStore, 'ask'>) {
    this.#store = store;
  }

  push(ask: QueuedAsk): void {
    this.#waiting.push(ask);
    if (this.#isDue) return;
    if (this.#calls === 0 && this.#loners >= LONERS) this.#send();
    else if (this.#calls === 0 || (this.#calls < MAX_CALLS && this.#waiting.length >= CROWD)) this.#arm();
  }

  #arm(): void {
    this.#isDue = true;
    if (this.#isBusy) setImmediate(this.#flush);
    else process.nextTick(this.#flush);
  }

  #send(): void {
    this.#isDue = false;
    if (this.#waiting.length === 0) return;
    const asks = this.#waiting.length <= MAX_ASKS ? this.#waiting : this.#waiting.slice(0, MAX_ASKS);
    this.#waiting = asks === this.#waiting ? [] : this.#waiting.slice(MAX_ASKS);
    this.#isBusy = asks.length > 1;
    this.#calls++;
    this.#store.ask(asks).then(
      (verdicts) => {
        this.#calls--;
        this.#loners = asks.length === 1 && this.#waiting.length === 0 ? this.#loners + 1 : 0;
        for (let index = 0; index < asks.length; index++)
          (asks[index] as QueuedAsk).succeed(verdicts[index] as LimitVerdict);
        if (this.#waiting.length > 0 && !this.#isDue) this.#arm();
      },
      (cause: unknown) => {
        this.#calls--;
        const late = this.#waiting;
        this.#waiting = [];
        for (const ask of asks) ask.fail(cause);
        for (const ask of late) ask.fail(cause);
      },
    );
  }
}
