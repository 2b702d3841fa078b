import type { Environment } from './environment.js';

/** Notices when a connection has fallen silent. One timer, however much comes. */
export class Watchdog {
  readonly #clock: Environment['clock'];
  readonly #idleMs: number;
  readonly #onSilence: (isOver: boolean) => void;
  #heardAt: number;
  #timer: Disposable;

  /** `onSilence(false)` asks for a sign of life, `onSilence(true)` says that none came for `idleMs`. */
  constructor(clock: Environment['clock'], idleMs: number, onSilence: (isOver: boolean) => void) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#onSilence = onSilence;
    this.#heardAt = clock.monotonic();
    this.#timer = this.#next();
  }

  heard(): void {
    this.#heardAt = this.#clock.monotonic();
  }

  stop(): void {
    this.#timer[Symbol.dispose]();
  }

  #next(): Disposable {
    const stepMs = this.#idleMs / 3;
    return this.#clock.after(stepMs, () => {
      const silentMs = this.#clock.monotonic() - this.#heardAt;
      this.#timer = this.#next();
      if (silentMs >= stepMs) this.#onSilence(silentMs >= this.#idleMs);
    });
  }
}
