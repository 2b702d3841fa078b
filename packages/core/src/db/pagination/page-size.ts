import { InvalidPageError } from '../errors.js';

/** What applies to pages when nothing is said. */
export const pageDefaults = Object.freeze({ limit: 20, maxLimit: 100, maxOffset: 100_000 });

/** Reads a number that a client may have sent: digits, a whole number, or nothing. */
export function readCount(name: string, value: unknown, fallback: number, min: number): number {
  if (value === undefined) return fallback;
  const isDigits = typeof value === 'string' && /^\d{1,9}$/.test(value);
  const count = isDigits ? Number(value) : value;
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= min) return count;
  throw new InvalidPageError(`${name} must be a whole number of at least ${min}.`);
}

/** Reads how many rows a client wants; who asks for too many gets as many as there may be. */
export function readSize(name: string, value: unknown, max: number): number {
  return Math.min(readCount(name, value, pageDefaults.limit, 1), max);
}
