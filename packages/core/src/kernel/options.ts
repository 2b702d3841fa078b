import { PandoOptionsError } from './errors.js';
import { nearestOf } from './nearest.js';

/** Bounds of a number, both inclusive. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
}

/** A default, or `undefined` where absence means something of its own. */
type Absent<Value> = Value | undefined;

/** What a number must be. */
interface NumberBounds extends Range {
  readonly kind: 'number' | 'whole number' | 'whole number of bytes' | 'number of milliseconds';
  readonly isWhole?: boolean;
  readonly orFalse?: boolean;
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
    if (options !== undefined && !isObject(options)) {
      throw this.#error(`${path || 'options'} must be an object, got ${show(options)}.`);
    }
    this.#options = { ...(options as Record<string, unknown> | undefined) };
  }

  /** A duration in milliseconds; at least 1 unless the range says otherwise. */
  ms<Fallback extends Absent<number>>(key: string, fallback: Fallback, range: Range = {}): number | Fallback {
    return this.#number(key, fallback, { kind: 'number of milliseconds', min: 1, ...range });
  }

  /** A duration in milliseconds, or `false` for none. */
  msOrFalse(key: string, fallback: number | false, range: Range = {}): number | false {
    const value = this.any(key);
    if (value === undefined || value === false) return value ?? fallback;
    return this.#number(key, 0, { kind: 'number of milliseconds', min: 1, orFalse: true, ...range });
  }

  /** A whole number; at least 0 unless the range says otherwise. */
  int<Fallback extends Absent<number>>(
    key: string,
    fallback: Fallback,
    range: Range = {},
  ): number | Fallback {
    return this.#number(key, fallback, { kind: 'whole number', isWhole: true, min: 0, ...range });
  }

  /** The same, or `false` for none. */
  intOrFalse(key: string, fallback: number | false, range: Range = {}): number | false {
    const value = this.any(key);
    if (value === undefined || value === false) return value ?? fallback;
    return this.#number(key, 0, { kind: 'whole number', isWhole: true, min: 0, orFalse: true, ...range });
  }

  /** A size in bytes; at least 1 unless the range says otherwise. */
  bytes<Fallback extends Absent<number>>(
    key: string,
    fallback: Fallback,
    range: Range = {},
  ): number | Fallback {
    return this.#number(key, fallback, { kind: 'whole number of bytes', isWhole: true, min: 1, ...range });
  }

  /** A share between 0 and 1. */
  ratio(key: string, fallback: number): number {
    return this.#number(key, fallback, { kind: 'number', min: 0, max: 1 });
  }

  /** A share between 0 and 1, or `false` for none. */
  ratioOrFalse(key: string, fallback: number | false): number | false {
    const value = this.any(key);
    if (value === undefined || value === false) return value ?? fallback;
    return this.#number(key, 0, { kind: 'number', min: 0, max: 1, orFalse: true });
  }

  boolean<Fallback extends Absent<boolean>>(key: string, fallback: Fallback): boolean | Fallback {
    return this.#typed(key, fallback, 'true or false', (value) => typeof value === 'boolean');
  }

  string<Fallback extends Absent<string>>(key: string, fallback: Fallback): string | Fallback {
    return this.#typed(
      key,
      fallback,
      'a non-empty string',
      (value) => typeof value === 'string' && value !== '',
    );
  }

  /** One of a closed set. */
  oneOf<Choice extends string, Fallback extends Absent<Choice>>(
    key: string,
    choices: readonly Choice[],
    fallback: Fallback,
  ): Choice | Fallback {
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
  any(key: string, fallback?: unknown): unknown {
    this.#known.add(key);
    const value = this.#options[key];
    return value === undefined ? fallback : value;
  }

  /** A nested options object with a reader of its own. */
  nested(key: string): OptionsReader {
    this.#known.add(key);
    return new OptionsReader(this.#at(key), this.#options[key], this.#code);
  }

  /** The same for what `false` switches off. */
  nestedOrFalse(key: string): OptionsReader | false {
    const value = this.any(key);
    if (value === false) return false;
    if (value !== undefined && !isObject(value)) this.fail(key, 'an object, or false');
    return this.nested(key);
  }

  /** Throws the error of this reader for an option that its caller found wrong. */
  fail(key: string, expected: string): never {
    const misspelt = this.#options[key] === undefined ? this.#misspellingOf(key) : undefined;
    if (misspelt !== undefined) throw this.#unknown(misspelt, `Did you mean "${key}"?`);
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
      const hint =
        nearest === undefined
          ? `Known options: ${[...this.#known].sort().join(', ')}.`
          : `Did you mean "${nearest}"?`;
      throw this.#unknown(key, hint);
    }
  }

  /** What was written instead of an option that is missing: one edit away, since more may be another option. */
  #misspellingOf(key: string): string | undefined {
    return Object.keys(this.#options).find(
      (name) => name !== key && !this.#known.has(name) && nearestOf(name, [key], 1),
    );
  }

  #unknown(key: string, hint: string): PandoOptionsError {
    const where = this.#path === '' ? '' : ` in ${this.#path}`;
    return this.#error(`unknown option "${key}"${where}. ${hint}`);
  }

  #number<Fallback extends Absent<number>>(
    key: string,
    fallback: Fallback,
    bounds: NumberBounds,
  ): number | Fallback {
    this.#known.add(key);
    const value = this.#options[key];
    if (value === undefined) return fallback;
    if (isWithin(value, bounds)) return value;
    const meant = bounds.kind === 'number of milliseconds' ? durationOf(value) : undefined;
    const hint = meant === undefined ? '' : ` Did you mean ${meant}?`;
    const what = describeNumber(bounds, value);
    throw this.#error(`${this.#at(key)} must be ${what}, got ${show(value)}.${hint}`);
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

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWithin(
  value: unknown,
  { isWhole, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }: NumberBounds,
): value is number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  return value >= min && value <= max && (!isWhole || Number.isInteger(value));
}

/** `a positive number of milliseconds`, `a whole number from 1 to 65535`. */
function describeNumber({ kind, min, max, orFalse }: NumberBounds, value: unknown): string {
  const end = orFalse ? ', or false' : '';
  if (min !== undefined && max !== undefined) return `a ${kind} from ${min} to ${max}${end}`;
  // 0.5 is positive, too.
  const isFraction = typeof value === 'number' && value > 0 && value < 1;
  if (min === 1 && !isFraction) return `a positive ${kind}${end}`;
  return `a ${kind}${min === undefined ? '' : ` of at least ${min}`}${end}`;
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
