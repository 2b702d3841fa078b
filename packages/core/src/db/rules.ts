import { type OutboxRules, soundOutboxRules } from './outbox/rules.js';
import type { DatabaseDriver } from './ports.js';
import { needsInlineProof, provenRead, upperBound } from './proven-read.js';
import { Replica } from './replica.js';

/** The decisions on which reads rest that must never be stale, and effects that must not be lost. */
export interface DatabaseRules extends OutboxRules {
  readonly provenRead: typeof provenRead;
  readonly needsInlineProof: typeof needsInlineProof;
  readonly upperBound: typeof upperBound;
  readonly createReplica: (...args: ConstructorParameters<typeof Replica>) => Replica;
  /** How servers are spoken to, given the sound way. */
  readonly driver: (sound: DatabaseDriver) => DatabaseDriver;
}

/** What holds unless a test replaces it. */
export const soundRules: DatabaseRules = {
  ...soundOutboxRules,
  provenRead,
  needsInlineProof,
  upperBound,
  createReplica: (...args) => new Replica(...args),
  driver: (sound) => sound,
};
