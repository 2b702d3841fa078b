import { abortable } from '../kernel/abort.js';

/** Lets a bounded number through at once; the others wait in line. */
export class Gate {
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(width: number) {
    this.#free = width;
  }

  /** Waits for room, and gives what must be disposed to make room for the next. */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    let entered = true;
    return {
      [Symbol.dispose]: () => {
        if (entered) this.#leave();
        entered = false;
      },
    };
  }

  async #wait(signal: AbortSignal): Promise<void> {
    let admit = () => {};
    const admitted = new Promise<void>((resolve) => {
      admit = resolve;
    });
    this.#waiting.add(admit);
    try {
      await abortable(admitted, signal);
    } catch (cause) {
      // Admitted and aborted in the same turn: the room it was given goes to the next.
      if (!this.#waiting.delete(admit)) this.#leave();
      throw cause;
    }
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
    } else {
      this.#waiting.delete(next);
      next();
    }
  }
}
