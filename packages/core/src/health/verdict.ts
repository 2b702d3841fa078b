import type { CheckResult } from '../kernel/room.js';

type Status = CheckResult['status'];

const badness: Readonly<Record<Status, number>> = { healthy: 0, degraded: 1, saturated: 2, unhealthy: 3 };

/** Whether a check may say it. */
export function isStatus(value: unknown): value is Status {
  return typeof value === 'string' && Object.hasOwn(badness, value);
}

/** The worse of two. */
export function worse(a: Status, b: Status): Status {
  return badness[a] >= badness[b] ? a : b;
}

/** The worst of all; healthy when there is none. */
export function worst(statuses: Iterable<Status>): Status {
  let result: Status = 'healthy';
  for (const status of statuses) result = worse(result, status);
  return result;
}

/** How many looks in a row it takes to change a verdict. */
export interface Patience {
  readonly failAfter: number;
  readonly passAfter: number;
}

/**
 * What several looks at one thing say together.
 *
 * The first look decides. After that one bad look does not make it bad, nor one good look good: a status is taken over
 * when that many looks in a row differed from the verdict in the same direction.
 */
export class Verdict {
  readonly #patience: Patience;
  #status: Status | undefined;
  #worse = 0;
  #better = 0;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  /** Undefined before the first look. */
  get status(): Status | undefined {
    return this.#status;
  }

  /** Takes one look into account. Tells whether the verdict changed. */
  add(seen: Status): boolean {
    const before = this.#status;
    const difference = before === undefined ? 0 : badness[seen] - badness[before];
    this.#worse = difference > 0 ? this.#worse + 1 : 0;
    this.#better = difference < 0 ? this.#better + 1 : 0;
    const isDue = this.#worse >= this.#patience.failAfter || this.#better >= this.#patience.passAfter;
    if (before !== undefined && !isDue) return false;
    this.#status = seen;
    this.#worse = 0;
    this.#better = 0;
    return before !== seen;
  }
}
