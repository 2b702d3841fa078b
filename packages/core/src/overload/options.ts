import { type OptionsReader, readOptions } from '../kernel/options.js';

/** Whether what is too much is refused, or only counted. */
export type OverloadMode = 'enforce' | 'observe';

/** How many requests may be in progress at once. The limit between the two is found by itself. */
export interface ConcurrencyOptions {
  /** Never fewer than that. @defaultValue `5` */
  readonly minConcurrency?: number | undefined;
  /** Never more than that. @defaultValue `1_000` */
  readonly maxConcurrency?: number | undefined;
  /** As many as that until something is known. @defaultValue `20` */
  readonly initialConcurrency?: number | undefined;
}

/** What an instance takes upon itself. */
export interface OverloadOptions extends ConcurrencyOptions {
  /**
   * `observe` refuses nobody, and counts whom it would have refused: more than in earnest, since nothing is spared.
   *
   * @defaultValue `'enforce'`
   */
  readonly mode?: OverloadMode | undefined;
  /**
   * Requests that share something of their own, such as one pool or one service behind, by a name of yours. Each group has a
   * limit of its own; whatever is in none shares the group `default`. @defaultValue none
   */
  readonly groups?: Readonly<Record<string, ConcurrencyOptions>> | undefined;
  /** How late the event loop may be before requests are refused; `false` leaves it alone. @defaultValue `25` */
  readonly targetLagMs?: number | false | undefined;
  /** How full the heap may be before only what is critical is admitted; `false` leaves it alone. @defaultValue `0.9` */
  readonly maxHeapRatio?: number | false | undefined;
  /**
   * How many may wait for each connection to the database before only what is critical is admitted; `false` leaves it
   * alone. @defaultValue `2`
   */
  readonly maxWaitingPerConnection?: number | false | undefined;
  /**
   * The header with which clients say until when an answer is of use to them: epoch milliseconds, or a date as in ISO 8601.
   * What comes later is not begun, and the database does not work for it any longer. `false` heeds none.
   *
   * @defaultValue `'x-request-deadline'`
   */
  readonly deadlineHeader?: string | false | undefined;
}

/** The defaults. */
export const overloadDefaults = Object.freeze({
  mode: 'enforce' as OverloadMode,
  minConcurrency: 5,
  maxConcurrency: 1_000,
  initialConcurrency: 20,
  targetLagMs: 25,
  maxHeapRatio: 0.9,
  maxWaitingPerConnection: 2,
  deadlineHeader: 'x-request-deadline',
});

/** {@link ConcurrencyOptions} with every default filled in. */
export type ResolvedConcurrency = Readonly<{ [K in keyof ConcurrencyOptions]-?: number }>;

/** Options with every default filled in. */
export interface ResolvedOverloadOptions {
  readonly mode: OverloadMode;
  /** `default` is one of them. */
  readonly groups: ReadonlyMap<string, ResolvedConcurrency>;
  readonly targetLagMs: number | false;
  readonly maxHeapRatio: number | false;
  readonly maxWaitingPerConnection: number | false;
  /** In lower case. */
  readonly deadlineHeader: string | false;
}

const groupName = /^[A-Za-z0-9_.-]{1,64}$/;

/** Checks the options; throws `PandoOptionsError`. */
export function resolveOverloadOptions(options: OverloadOptions = {}): ResolvedOverloadOptions {
  const reader = readOptions('overload', options);
  const common = readConcurrency(reader, overloadDefaults);
  const resolved: ResolvedOverloadOptions = {
    mode: reader.oneOf('mode', ['enforce', 'observe'], overloadDefaults.mode),
    groups: readGroups(reader, common),
    targetLagMs: reader.msOrFalse('targetLagMs', overloadDefaults.targetLagMs),
    maxHeapRatio: reader.ratioOrFalse('maxHeapRatio', overloadDefaults.maxHeapRatio),
    maxWaitingPerConnection: reader.intOrFalse(
      'maxWaitingPerConnection',
      overloadDefaults.maxWaitingPerConnection,
      { min: 1 },
    ),
    deadlineHeader: readHeader(reader),
  };
  reader.done();
  return resolved;
}

function readConcurrency(reader: OptionsReader, fallback: ResolvedConcurrency): ResolvedConcurrency {
  // Who names one bound need not name the other.
  const most = reader.int('maxConcurrency', undefined, { min: 1 });
  const minConcurrency = reader.int(
    'minConcurrency',
    Math.min(fallback.minConcurrency, most ?? fallback.minConcurrency),
    { min: 1 },
  );
  const maxConcurrency = most ?? Math.max(fallback.maxConcurrency, minConcurrency);
  if (maxConcurrency < minConcurrency)
    reader.fail('maxConcurrency', `at least minConcurrency, ${minConcurrency}`);
  const within = (value: number) => Math.min(maxConcurrency, Math.max(minConcurrency, value));
  const initialConcurrency = reader.int('initialConcurrency', within(fallback.initialConcurrency), {
    min: minConcurrency,
    max: maxConcurrency,
  });
  return { minConcurrency, maxConcurrency, initialConcurrency };
}

function readGroups(
  options: OptionsReader,
  common: ResolvedConcurrency,
): ReadonlyMap<string, ResolvedConcurrency> {
  const groups = options.any('groups', {});
  if (typeof groups !== 'object' || groups === null || Array.isArray(groups))
    options.fail('groups', 'an object of groups');
  const reader = readOptions('overload.groups', groups);
  const resolved = new Map([['default', common]]);
  for (const name of Object.keys(groups)) {
    if (!groupName.test(name)) reader.fail(name, 'named with 1 to 64 letters, digits, "_", "-" or "."');
    if (name === 'default') reader.fail(name, 'left out: it is what overload itself says');
    const group = reader.nested(name);
    resolved.set(name, readConcurrency(group, common));
    group.done();
  }
  return resolved;
}

function readHeader(reader: OptionsReader): string | false {
  const header = reader.any('deadlineHeader', overloadDefaults.deadlineHeader);
  if (header === false) return false;
  if (typeof header !== 'string' || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header))
    reader.fail('deadlineHeader', 'the name of a header, or false');
  return header.toLowerCase();
}
