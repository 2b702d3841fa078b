import type { IncomingHttpHeaders } from 'node:http';
import { ApiError, InvalidInputError, NotFoundError } from '../errors.js';

/** What a text field may be. */
export interface TextRule {
  readonly min?: number;
  readonly max: number;
  /** Whether white space at both ends is part of the text. @defaultValue `false` */
  readonly verbatim?: boolean;
}

/**
 * Reads the fields of a JSON body. Complaints are collected, so that the client hears of all of them at once: call
 * {@link InputReader.done} last.
 */
export class InputReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #complaints: Record<string, string> = {};

  constructor(body: unknown) {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) {
      throw new ApiError(400, 'The body must be a JSON object, sent as application/json.');
    }
    this.#fields = body as Record<string, unknown>;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  text(name: string, rule: TextRule): string {
    const value = this.#fields[name];
    const { min = 1, max, verbatim = false } = rule;
    if (typeof value !== 'string') return this.#complain(name, 'is required and must be text');
    const text = verbatim ? value : value.trim();
    if (text.length < min || text.length > max) {
      return this.#complain(
        name,
        min === 1 ? `must have 1 to ${max} characters` : `must have ${min} to ${max} characters`,
      );
    }
    if (text.includes('\0')) return this.#complain(name, 'must not hold the character U+0000');
    return text;
  }

  email(name: string): string {
    const text = this.text(name, { max: 254 }).toLowerCase();
    // Whether it exists only a mail to it can tell.
    if (!(name in this.#complaints) && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text)) {
      return this.#complain(name, 'must be an e-mail address');
    }
    return text;
  }

  /** @throws {@link InvalidInputError} when a field that was read cannot be taken. */
  done(): void {
    if (Object.keys(this.#complaints).length > 0) throw new InvalidInputError(this.#complaints);
  }

  #complain(name: string, complaint: string): string {
    this.#complaints[name] = complaint;
    return '';
  }
}

/** Reads the header that marks a request as the repetition of another one: `Idempotency-Key`. */
export function readRequestKey(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && /^[\w-]{16,64}$/.test(key)) return key;
  throw new ApiError(400, 'Idempotency-Key must be 16 to 64 letters, digits, "-" or "_", such as a UUID.');
}

/** Reads the number of a thing from the path. What no thing can have as its number names nothing. */
export function readId(text: string | undefined, what: string): number {
  const id = /^[1-9]\d{0,9}$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (!(id <= 2_147_483_647)) throw new NotFoundError(what);
  return id;
}
