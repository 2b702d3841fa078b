import type { Signalled } from '../kernel/abort.js';
import type { LifetimeOptions, Use } from './lifetime.js';

/** What to explain, as it would be asked for: the same options that `getOrLoad` is called with. */
export interface ExplainOptions extends LifetimeOptions, Signalled {
  /** What the value depends on, beside its key. */
  readonly tags?: readonly string[] | undefined;
}

/** What a value must be for a level to serve it, in the order of the questions. */
export type ExplainedRule =
  | 'transaction'
  | 'reachable'
  | 'kept'
  | 'readable'
  | 'history'
  | 'outbox'
  | 'trust'
  | 'epoch'
  | 'token'
  | 'confirmed'
  | 'tags'
  | 'expiry'
  | 'time';

/** How one rule stands, here and now. */
export interface Finding {
  readonly rule: ExplainedRule;
  /** False: this alone keeps the level from serving the value. */
  readonly holds: boolean;
  /** The same in words. */
  readonly says: string;
}

/** A value that a level has, whether or not it may be served. */
export interface ExplainedValue {
  readonly tags: readonly string[];
  /** It is as new as this invalidation. */
  readonly asOf: number;
  /** Until its time is up; negative afterwards. */
  readonly leftMs: number;
  /** Size in the shared level; undefined inside the process. */
  readonly bytes: number | undefined;
}

/** What one level has to say. */
export interface LevelExplanation {
  readonly level: 'local' | 'shared';
  /** Whether every rule holds. */
  readonly serves: boolean;
  /** What its age makes of the value: to be served, to be served while it is replaced, to be served instead of an error only, or nothing. */
  readonly use: Use;
  readonly value: ExplainedValue | undefined;
  readonly findings: readonly Finding[];
}

/** Why a key is or is not served here and now. */
export interface CacheExplanation {
  readonly key: string;
  /** All that was asked about, the key among them. */
  readonly tags: readonly string[];
  /** Who would answer. */
  readonly answer: 'local' | 'shared' | 'loader';
  /** Nearest first. */
  readonly levels: readonly LevelExplanation[];
  /** All of it in words, for a person. */
  readonly text: string;
}

/** Collects what is found out about one level. */
export class Findings {
  readonly #level: LevelExplanation['level'];
  readonly #list: Finding[] = [];
  value: ExplainedValue | undefined;
  use: Use = 'none';

  constructor(level: LevelExplanation['level']) {
    this.#level = level;
  }

  /** Notes how a rule stands; tells whether it holds. */
  note(rule: ExplainedRule, holds: boolean, says: string): boolean {
    this.#list.push({ rule, holds, says });
    return holds;
  }

  end(): LevelExplanation {
    const serves = this.#list.length > 0 && this.#list.every(({ holds }) => holds);
    return { level: this.#level, serves, use: this.use, value: this.value, findings: this.#list };
  }
}

/** Says why no level is asked about a key at all. */
export function explanationOfNothing(key: string, tags: readonly string[], why: string): CacheExplanation {
  return { key, tags: [...new Set([key, ...tags])], answer: 'loader', levels: [], text: why };
}

/** Puts the levels together, and all of it into words. */
export function explanationOf(
  key: string,
  tags: readonly string[],
  levels: readonly LevelExplanation[],
): CacheExplanation {
  const answer = levels.find(({ serves }) => serves)?.level ?? 'loader';
  const lines = levels.flatMap(({ level, serves, findings }) => [
    `${level}: ${serves ? 'serves it' : 'does not serve it'}`,
    ...findings.map(({ holds, says }) => `  ${holds ? '+' : '-'} ${says}`),
  ]);
  const head = answer === 'loader' ? 'the loader would run' : `the ${answer} level would answer`;
  return { key, tags, answer, levels, text: [`"${key}": ${head}`, ...lines].join('\n') };
}
