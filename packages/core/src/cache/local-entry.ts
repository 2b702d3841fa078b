import type { Token } from '../kernel/token.js';

/** What is kept with a value inside the process. */
export type LocalEntryInit = Pick<
  LocalEntry,
  'key' | 'value' | 'epoch' | 'asOf' | 'tags' | 'seen' | 'aheadMs' | 'staleMs' | 'staleIfErrorMs' | 'bytes'
> & { readonly expiresAt: number };

/** A value inside the process. */
export class LocalEntry {
  readonly key: string;
  readonly value: unknown;
  /** The value as callers wait for it: one promise for all of them; undefined until the first of them. */
  outcome: Promise<unknown> | undefined = undefined;
  readonly epoch: string;
  /** No invalidation up to here can make it older. */
  readonly asOf: number;
  readonly tags: readonly string[];
  /** What its readers have seen with it; empty where nobody wanted to know. */
  readonly seen: Token;
  /** Monotonic instant from which on a hit has it replaced, or none is one any more where none does. */
  readonly dueAt: number;
  /** How long before its end that is. */
  readonly aheadMs: number;
  /** How long after its end it may be served, and how long instead of an error. */
  readonly staleMs: number;
  readonly staleIfErrorMs: number;
  /** Whether a hit was so late that it should be replaced. */
  isDue = false;
  /** Number of the revision at which it was last found to be servable to whoever has seen nothing. */
  checkedAt = -1;

  /** What it takes of the process's memory. This and the rest is for the level that keeps it. */
  readonly bytes: number;
  isUsed = false;
  older: LocalEntry | undefined = undefined;
  newer: LocalEntry | undefined = undefined;

  constructor(init: LocalEntryInit) {
    this.key = init.key;
    this.value = init.value;
    this.epoch = init.epoch;
    this.asOf = init.asOf;
    this.tags = init.tags;
    this.seen = init.seen;
    this.dueAt = init.expiresAt - init.aheadMs;
    this.aheadMs = init.aheadMs;
    this.staleMs = init.staleMs;
    this.staleIfErrorMs = init.staleIfErrorMs;
    this.bytes = init.bytes;
  }

  /** Monotonic instant up to which it is fresh. */
  get expiresAt(): number {
    return this.dueAt + this.aheadMs;
  }
}
