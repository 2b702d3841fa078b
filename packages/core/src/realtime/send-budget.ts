/**
 * What may wait in the memory of this process for clients that take it too slowly.
 *
 * Each of them may have the soft limit waiting, and all together no more than the budget: when there are so many that the
 * soft limits add up to more, each may have an equal share, so the largest are parked first.
 */
export class SendBudget {
  readonly softLimitBytes: number;
  readonly #totalBytes: number;
  #waiting = 0;

  constructor({
    softLimitBytes,
    totalBytes,
  }: { readonly softLimitBytes: number; readonly totalBytes: number }) {
    this.softLimitBytes = softLimitBytes;
    this.#totalBytes = totalBytes;
  }

  /** How many clients something waits for. */
  get waiting(): number {
    return this.#waiting;
  }

  /** So many bytes may wait for one client. */
  get share(): number {
    return Math.min(this.softLimitBytes, this.#totalBytes / this.#waiting);
  }

  add(): void {
    this.#waiting++;
  }

  remove(): void {
    this.#waiting--;
  }
}
