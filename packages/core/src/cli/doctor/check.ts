/**
 * How one thing is: as it should be, worth knowing, in the way of a promise, or not to be seen from here.
 */
export type Verdict = 'fine' | 'note' | 'problem' | 'unknown';

/** What a check says of one thing that it has looked at. */
export interface Finding {
  readonly verdict: Verdict;
  /** What is there. */
  readonly found: string;
  /** What to do about it; nothing where all is well. */
  readonly todo?: string | undefined;
}

/** Looks at one thing. */
export interface Check<Subject> {
  /** What the report and `--skip` call it: `redis.eviction`. */
  readonly name: string;
  /** Why it matters. */
  readonly why: string;
  /** Says what it sees; nothing where the subject has no such thing. */
  examine(subject: Subject): readonly Finding[] | Promise<readonly Finding[]>;
}

/** All is well. */
export const fine = (found: string): Finding => ({ verdict: 'fine', found });

/** Worth knowing; no promise breaks over it. */
export const note = (found: string, todo: string): Finding => ({ verdict: 'note', found, todo });

/** A promise does not hold, or will not under load. */
export const problem = (found: string, todo: string): Finding => ({ verdict: 'problem', found, todo });

/** It could not be looked at. */
export const unknown = (found: string, todo: string): Finding => ({ verdict: 'unknown', found, todo });
