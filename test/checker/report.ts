import { messageOf } from '../../packages/core/src/kernel/errors.js';

/** What a run has done and found. */
export class Report {
  readonly seed: number;
  readonly operations: Record<string, number> = {};
  readonly faults: Record<string, number> = {};
  /** Operations that rejected, by code: nothing is promised about them. */
  readonly refusals: Record<string, number> = {};
  readonly violations: string[] = [];
  /** Errors that have no code: not expected from anything that is used here. */
  readonly strange: unknown[] = [];
  readonly #beganAt = performance.now();

  constructor(seed: number) {
    this.seed = seed;
  }

  done(operation: string): void {
    count(this.operations, operation);
  }

  struck(fault: string): void {
    count(this.faults, fault);
  }

  refused(error: unknown): void {
    const code = (error as { code?: unknown }).code;
    if (typeof code === 'string') count(this.refusals, code);
    else if (/ is dead$/.test(messageOf(error))) count(this.refusals, 'dead');
    else this.strange.push(error);
  }

  violated(what: string): void {
    this.violations.push(`at ${Math.round(performance.now() - this.#beganAt)} ms: ${what}`);
  }

  toString(): string {
    const list = (counts: Record<string, number>) =>
      Object.entries(counts)
        .map(([name, number]) => `${number} ${name}`)
        .join(', ') || 'none';
    return [
      `seed ${this.seed}, ${((performance.now() - this.#beganAt) / 1_000).toFixed(1)} s`,
      `operations: ${list(this.operations)}`,
      `faults: ${list(this.faults)}`,
      `refused: ${list(this.refusals)}`,
      `violations: ${this.violations.length}`,
      ...this.violations.slice(0, 5),
    ].join('\n  ');
  }
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
