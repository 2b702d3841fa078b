/** Lets everybody pass, or one alone. */
export class Turnstile {
  readonly #inside = new Set<Promise<unknown>>();
  #alone: Promise<unknown> | undefined;

  /** Does something beside others; waits while somebody is alone. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone !== undefined) await this.#alone;
    const working = work();
    const settled = working.catch(() => undefined);
    this.#inside.add(settled);
    try {
      return await working;
    } finally {
      this.#inside.delete(settled);
    }
  }

  /** Does something while nobody else does anything. One at a time. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    let open = () => {};
    this.#alone = new Promise<void>((resolve) => {
      open = resolve;
    });
    try {
      await Promise.all(this.#inside);
      return await work();
    } finally {
      this.#alone = undefined;
      open();
    }
  }
}
