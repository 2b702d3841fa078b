import type { IncomingHttpHeaders } from 'node:http';
import { isEmptyToken, type Token } from '../kernel/token.js';
import { parseHttpDate } from './http-date.js';

/** What would make a handler answer 304. (Express compares by itself.) */
const ofWhole = ['if-none-match', 'if-modified-since'] as const;

/** Ranges, and conditions that protect against lost updates. */
const ofPart = ['range', 'if-match', 'if-unmodified-since'] as const;

/** Whether a request is for its handler alone, by what it asks or what it protects. */
export function asksForPart(headers: IncomingHttpHeaders): boolean {
  return ofPart.some((name) => headers[name] !== undefined);
}

/** By what a client says which answer it has already. */
export interface Conditions {
  readonly ifNoneMatch: string | undefined;
  /** Epoch ms; only where there is no entity tag to go by. */
  readonly ifModifiedSince: number | undefined;
}

/**
 * The conditions that are heeded here. Of dates those of clients that have seen no write: two writes of one second have the
 * same, and who asks by that of the first would never see the second.
 */
export function conditionsOf(headers: IncomingHttpHeaders, token: Token): Conditions {
  const ifNoneMatch = headers['if-none-match'];
  const isByDate = ifNoneMatch === undefined && isEmptyToken(token);
  return { ifNoneMatch, ifModifiedSince: isByDate ? parseHttpDate(headers['if-modified-since']) : undefined };
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

  [Symbol.dispose](): void {
    Object.assign(this.#headers, this.#taken);
  }
}
