/** Retries that one first attempt earns, and how many may be saved up. */
const earnedByOne = 0.1;
const maxSaved = 10;

/** Lets one attempt in ten be repeated: where everything fails, repeating everything makes it worse. */
export class RetryBudget {
  #saved = maxSaved;

  /** Somebody tries something for the first time. */
  earn(): void {
    this.#saved = Math.min(maxSaved, this.#saved + earnedByOne);
  }

  /** Whether a second attempt may be made; takes it off the budget. */
  spend(): boolean {
    if (this.#saved < 1) return false;
    this.#saved -= 1;
    return true;
  }
}
