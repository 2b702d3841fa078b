import type { IncomingHttpHeaders } from 'node:http';

/** What would make a handler answer 304. (Express compares by itself.) */
const ofWhole = ['if-none-match', 'if-modified-since'] as const;

/** Ranges, and conditions that protect against lost updates. */
const ofPart = ['range', 'if-match', 'if-unmodified-since'] as const;

/** Whether a request is for its handler alone, by what it asks or what it protects. */
export function asksForPart(headers: IncomingHttpHeaders): boolean {
  return ofPart.some((name) => headers[name] !== undefined);
}

/** Takes the conditions of a request away from its handler, whose answer must be whole to be stored, until disposed. */
export class TakenConditions implements Disposable {
  readonly #headers: IncomingHttpHeaders;
  readonly #taken: IncomingHttpHeaders = {};

  constructor(headers: IncomingHttpHeaders) {
    this.#headers = headers;
    for (const name of ofWhole) {
      const value = headers[name];
      if (value === undefined) continue;
      this.#taken[name] = value;
      delete headers[name];
    }
  }

  /**
   * The one condition that is heeded here. Dates are not: two writes of one second have the same, and who asks by that of
   * the first would never see the second.
   */
  get ifNoneMatch(): string | undefined {
    return this.#taken['if-none-match'];
  }

  [Symbol.dispose](): void {
    Object.assign(this.#headers, this.#taken);
  }
}
