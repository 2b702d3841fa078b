import { Client, until } from './realtime-client.mjs';

/** Clients in the publisher's own process, so that one clock says how long a message was under way. */
export class Ears {
  times = [];
  #count;
  #sentAt = new Map();
  #awaited = new Map();
  #heard = new Set();

  static async open({ kind, port, count, channel }) {
    const ears = new Ears();
    ears.#count = count;
    await Promise.all(
      Array.from({ length: count }, (_, id) =>
        new Client(kind, channel, (text) => ears.#hear(id, text)).open(port),
      ),
    );
    return ears;
  }

  get allHaveHeard() {
    return this.#heard.size === this.#count;
  }

  /** Says that a message is being sent now; it ends in `#<number>|`. */
  expect(number) {
    this.#sentAt.set(number, performance.now());
    this.#awaited.set(number, this.#count);
  }

  /** Forgets everything that was or will be heard until now. */
  forget() {
    this.times = [];
    this.#sentAt.clear();
    this.#awaited.clear();
  }

  /** Resolves when everybody has heard everything; a message that gets lost ends the measurement. */
  async haveHeardAll() {
    await until(() => this.#awaited.size === 0, performance.now() + 10_000);
    if (this.#awaited.size > 0) throw new Error(`${this.#awaited.size} messages have not reached everybody.`);
  }

  #hear(id, text) {
    const now = performance.now();
    for (const [, digits] of text.matchAll(/#(\d+)\|/g)) {
      const number = Number(digits);
      this.#heard.add(id);
      if (!this.#sentAt.has(number)) continue;
      this.times.push(now - this.#sentAt.get(number));
      const left = this.#awaited.get(number) - 1;
      if (left === 0) this.#awaited.delete(number);
      else this.#awaited.set(number, left);
    }
  }
}
