/**
 * Counts what happens that may turn a decision. Whoever has decided something keeps the number, and need not decide it again
 * as long as it is the same.
 */
export class Revision {
  #number = 0;

  get number(): number {
    return this.#number;
  }

  /** Something has happened: call it when it has, not before. */
  advance(): void {
    this.#number++;
  }
}
