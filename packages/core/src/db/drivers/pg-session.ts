import type pg from 'pg';
import type { Clock } from '../../kernel/clock.js';
import type { ServerReport } from '../ports.js';
import type { PreparedStatements } from './prepared-statements.js';

/** What a connection is made of once the server has greeted. */
export interface PgSession {
  readonly client: pg.Client;
  readonly label: string;
  readonly clock: Clock;
  readonly greeting: ServerReport;
  readonly capacity: number | undefined;
  readonly isPooled: boolean;
  readonly segmentBytes: bigint;
  /** As in {@link TransactionId}. */
  readonly life: string;
  /** Whether a statement is known to change nothing. */
  readonly onlyReads: (text: string) => boolean;
  readonly prepared: PreparedStatements;
  /** Asks the server how far it is, if it can say so. */
  readonly reportText: string;
  /** Sets back what statements may have changed in the session. */
  readonly resetText: string;
  readonly onLost: (cause: unknown) => void;
  /** Asks the server, on a connection of its own, to cancel what the session runs. Resolves when the request has taken effect or failed. */
  readonly cancel: () => Promise<void>;
}
