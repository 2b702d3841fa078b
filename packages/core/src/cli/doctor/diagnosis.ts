import type { Check, Finding, Verdict } from './check.js';

/** One finding, and of what. */
export interface Entry extends Finding {
  /** Name of the check: `redis.eviction`. */
  readonly check: string;
  /** What was looked at: `Redis 10.0.0.7:6379`. */
  readonly subject: string;
  /** Why it matters. */
  readonly why: string;
}

/** All that was found. */
export interface Diagnosis {
  readonly entries: readonly Entry[];
}

/** What a process ends with. */
export type ExitCode = 0 | 1 | 2;

/** 1 when a promise is in danger; else 2 when something could not be looked at. */
export function exitCodeOf({ entries }: Diagnosis): ExitCode {
  const has = (verdict: Verdict) => entries.some((entry) => entry.verdict === verdict);
  return has('problem') ? 1 : has('unknown') ? 2 : 0;
}

/** Runs checks on one subject, without those that are to be left out. */
export async function entriesOf<Subject>(
  subject: Subject,
  label: string,
  checks: readonly Check<Subject>[],
  skip: ReadonlySet<string>,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const { name, why, examine } of checks) {
    if (skip.has(name)) continue;
    for (const finding of await examine(subject))
      entries.push({ check: name, subject: label, why, ...finding });
  }
  return entries;
}
