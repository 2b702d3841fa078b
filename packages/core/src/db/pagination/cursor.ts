import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/*
 * cursor = "k1." values "." seal
 *
 * `values` are those of the columns in one row, as JSON and base64url: texts as Postgres writes them, or null. `seal`
 * covers them, the version, and the order in which they mean something.
 */
const version = 'k1';
/** What fits into a request beside everything else; longer ones are refused unread. */
const maxChars = 8_192;
const sealChars = 22;

/** The values of a row's columns, exact as text: a `Date` or a number of JavaScript would round them. */
export type KeyValues = readonly (string | null)[];

/** Writes and reads the cursors of one order. */
export class Cursors {
  readonly #order: string;
  readonly #columns: number;
  readonly #secret: string | undefined;

  constructor(orderBy: readonly unknown[], secret: string | undefined) {
    this.#order = JSON.stringify(orderBy);
    this.#columns = orderBy.length;
    this.#secret = secret;
  }

  /** Undefined for values that are too long. */
  write(values: KeyValues): string | undefined {
    const payload = Buffer.from(JSON.stringify(values)).toString('base64url');
    const text = `${version}.${payload}.${this.#sealOf(payload)}`;
    return text.length > maxChars ? undefined : text;
  }

  /** Undefined for whatever these cursors have not written. Never throws. */
  read(text: string): KeyValues | undefined {
    if (text.length > maxChars) return undefined;
    const [head, payload = '', seal = '', ...rest] = text.split('.');
    if (head !== version || seal.length !== sealChars || rest.length > 0) return undefined;
    if (!timingSafeEqual(Buffer.from(seal.padEnd(32)), Buffer.from(this.#sealOf(payload).padEnd(32)))) {
      return undefined;
    }
    return this.#valuesIn(Buffer.from(payload, 'base64url').toString());
  }

  /** Without a secret anybody can make a seal, so nothing may rest on the shape of what it covers. */
  #valuesIn(json: string): KeyValues | undefined {
    try {
      const values: unknown = JSON.parse(json);
      const isValue = (value: unknown) => value === null || typeof value === 'string';
      const fits = Array.isArray(values) && values.length === this.#columns && values.every(isValue);
      return fits ? (values as KeyValues) : undefined;
    } catch {
      return undefined;
    }
  }

  #sealOf(payload: string): string {
    const hash = this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret);
    return hash.update(`${version}\n${this.#order}\n${payload}`).digest('base64url').slice(0, sealChars);
  }
}
