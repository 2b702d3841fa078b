/** Who hears what a client says. */
export interface Hearer {
  /** Hears one frame. Never rejects. */
  hear(frame: string): Promise<void>;
}

/**
 * What a client has said and nobody has heard yet: heard in order, one after the other, so that neither authorisation
 * nor a handler can change the order.
 *
 * Nothing is heard before the channels that the client starts with have begun: who speaks at once is to hear itself.
 */
export class Inbox {
  readonly #hearer: Hearer;
  readonly #frames: string[] = [];
  #awaited = 0;
  #isWorking = false;

  constructor(hearer: Hearer) {
    this.#hearer = hearer;
  }

  get length(): number {
    return this.#frames.length;
  }

  /** Whether channels are awaited. */
  get isHeld(): boolean {
    return this.#awaited > 0;
  }

  /** Waits for so many channels. */
  await(channels: number): void {
    this.#awaited = channels;
  }

  /** One of them has begun. */
  begun(): void {
    if (this.#awaited > 0 && --this.#awaited === 0) this.#resume();
  }

  /** Waits no longer. */
  release(): void {
    this.#awaited = 0;
    this.#resume();
  }

  push(frame: string): void {
    this.#frames.push(frame);
    this.#resume();
  }

  /** Forgets what was not heard. */
  clear(): void {
    this.#frames.length = 0;
  }

  #resume(): void {
    if (!this.#isWorking && !this.isHeld && this.#frames.length > 0) void this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
      await this.#hearer.hear(frame);
    }
    this.#isWorking = false;
  }
}
