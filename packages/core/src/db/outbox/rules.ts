import type { Statement } from '../ports.js';

/** The decisions on which it rests that no effect is lost or seen twice, each a function that a test can switch off. */
export interface OutboxRules {
  /** What a transaction wants done is written down with it. */
  rowOf(insert: Statement): Statement | undefined;
  /** Every attempt goes by the id of the first, so that what one of them has published no other publishes again. */
  attemptId(row: string): string;
  /** Who takes a row over learns a position behind its commit first: its own memory knows nothing of it. */
  readonly asksPosition: boolean;
}

/** All rules in force. */
export const soundOutboxRules: OutboxRules = Object.freeze({
  rowOf: (insert) => insert,
  attemptId: (row) => row,
  asksPosition: true,
} satisfies OutboxRules);
