import { PandoOptionsError } from './errors.js';

/** Bounds of a number, both inclusive. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
}

/**
 * Reads one options object, checking as it goes, and refuses what nobody read.
 *
 * Every getter names the option by its full path in the message and falls back to the default for
 * `undefined`. Call {@link OptionsReader.done} last.
 */
export class OptionsReader {
  readonly #path: string;
  readonly #code: string;
  readonly #options: Readonly<Record<string, unknown>>;
  readonly #known = new Set<string>();

  constructor(path: string, options: unknown, code: string) {
    this.#path = path;
    this.#code = code;
    if (
      options !== undefined &&
      (typeof options !== 'object' || options === null || Array.isArray(options))
    ) {
      throw this.#error(`${path || 'options'} must be an object, got ${show(options)}.`);
    }
    this.#options = { ...(options as Record<string, unknown> | undefined) };
  }

  /** A duration in milliseconds; at least 1 unless the range says otherwise. */
  ms(key: string, fallback: number, range: Range = {}): number {
    return this.#number(key, fallback, { min: 1, ...range }, 'number of milliseconds');
  }

  /** A whole number; at least 0 unless the range says otherwise. */
  int(key: string, fallback: number, range: Range = {}): number {
    return this.#number(key, fallback, { min: 0, ...range }, 'whole number', true);
  }

  /** A size in bytes; at least 1 unless the range says otherwise. */
  bytes(key: string, fallback: number, range: Range = {}): number {
    return this.#number(key, fallback, { min: 1, ...range }, 'whole number of bytes', true);
  }

  /** A share between 0 and 1. */
  ratio(key: string, fallback: number): number {
    return this.#number(key, fallback, { min: 0, max: 1 }, 'ratio');
  }

  boolean(key: string, fallback: boolean): boolean {
    return this.#typed(key, fallback, 'true or false', (value) => typeof value === 'boolean');
  }

  string<Fallback extends string | undefined>(key: string, fallback: Fallback): string | Fallback {
    return this.#typed(
      key,
      fallback,
      'a non-empty string',
      (value) => typeof value === 'string' && value !== '',
    );
  }

  /** One of a closed set. */
  oneOf<Choice extends string>(key: string, choices: readonly Choice[], fallback: Choice): Choice {
    const expected = `one of ${choices.map((choice) => `"${choice}"`).join(', ')}`;
    return this.#typed(key, fallback, expected, (value) => choices.includes(value as Choice));
  }

  /** A function; its own contract is checked by the compiler only. */
  fn<Fn extends (...args: never[]) => unknown, Fallback extends Fn | undefined>(
    key: string,
    fallback: Fallback,
  ): Fn | Fallback {
    return this.#typed(key, fallback, 'a function', (value) => typeof value === 'function');
  }

  /** An option that its reader checks itself. */
  any(key: string): unknown {
    this.#known.add(key);
    return this.#options[key];
  }

  /** A nested options object with a reader of its own. */
  nested(key: string): OptionsReader {
    this.#known.add(key);
    return new OptionsReader(this.#at(key), this.#options[key], this.#code);
  }

  /** Throws the error of this reader for an option that its caller found wrong. */
  fail(key: string, expected: string): never {
    throw this.#error(`${this.#at(key)} must be ${expected}, got ${show(this.#options[key])}.`);
  }

  /** Like {@link OptionsReader.fail} for a value that must not be shown. */
  failUnshown(key: string, expected: string): never {
    throw this.#error(`${this.#at(key)} must be ${expected}.`);
  }

  /** Refuses options that were not read, naming the nearest known one. */
  done(): void {
    for (const key of Object.keys(this.#options)) {
      if (this.#known.has(key)) continue;
      const nearest = nearestOf(key, this.#known);
      const where = this.#path === '' ? '' : ` in ${this.#path}`;
      const hint =
        nearest === undefined
          ? `Known options: ${[...this.#known].sort().join(', ')}.`
          : `Did you mean "${nearest}"?`;
      throw this.#error(`unknown option "${key}"${where}. ${hint}`);
    }
  }

  #number(key: string, fallback: number, range: Range, what: string, whole = false): number {
    this.#known.add(key);
    const value = this.#options[key];
    if (value === undefined) return fallback;
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = range;
    if (
      typeof value === 'number' &&
      value >= min &&
      value <= max &&
      Number.isFinite(value) &&
      (!whole || Number.isInteger(value))
    ) {
      return value;
    }
    const positive = min > 0 && min <= 1 ? 'positive ' : '';
    const bounds =
      (min > 1 ? ` of at least ${min}` : '') + (Number.isFinite(max) ? ` and at most ${max}` : '');
    const meant = what.includes('milliseconds') ? durationOf(value) : undefined;
    const hint = meant === undefined ? '' : ` Did you mean ${meant}?`;
    throw this.#error(`${this.#at(key)} must be a ${positive}${what}${bounds}, got ${show(value)}.${hint}`);
  }

  #typed<Value>(key: string, fallback: Value, expected: string, accepts: (value: unknown) => boolean): Value {
    this.#known.add(key);
    const value = this.#options[key];
    if (value === undefined) return fallback;
    if (!accepts(value)) this.fail(key, expected);
    return value as Value;
  }

  #at(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  #error(message: string): PandoOptionsError {
    return new PandoOptionsError({ code: this.#code, message });
  }
}

/** Starts reading the options of a room (`cache` reads as `cache.ttlMs`, code `PANDO_CACHE_OPTIONS`) or, with an empty path, of the kit. */
export function readOptions(path: string, options: unknown): OptionsReader {
  const room = path.split('.')[0];
  return new OptionsReader(path, options, room ? `PANDO_${room.toUpperCase()}_OPTIONS` : 'PANDO_OPTIONS');
}

/** Values in messages are quoted, short, and never hold what a connection string hides. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.replace(/\/\/[^@/]*@/, '//…@').slice(0, 80));
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `"5m"` was meant as 300000. */
function durationOf(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(value);
  const unit = unitMs[match?.[2]?.toLowerCase() || 'ms'];
  return match && unit ? Number(match[1]) * unit : undefined;
}

/** The known name at the smallest edit distance, if it is near enough to be meant. */
export function nearestOf(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
