import type { Signalled } from './abort.js';
import { Revision } from './revision.js';
import type { DbPosition } from './token.js';

/** A history of a database: a failover begins another one, which may lack what was acknowledged on the first. */
export interface DatabaseHistory {
  /** Postgres' system identifier. */
  readonly system: string;
  /** Counts the promotions of a system. */
  readonly timeline: number;
}

/** A database that says which history it is on. */
export interface HistorySource {
  readonly shard: string;
  /** The newest that was seen; undefined until the database was reached. */
  readonly history: DatabaseHistory | undefined;
  /** A position behind everything that anybody has committed by now. Rejects when the primary cannot be asked. */
  position(options?: Signalled): Promise<DbPosition>;
}

/** The databases of one kit, for whoever keeps what was read from them. */
export interface Histories {
  readonly sources: ReadonlySet<HistorySource>;
  /** Takes one more in, until it is disposed. */
  add(source: HistorySource): AddedSource;
}

/** A source that was taken in. */
export interface AddedSource extends Disposable {
  /** It is on another history, or on its first. */
  changed(): void;
}

/** Begins without any. `revision` advances with each source, and each of its histories. */
export function createHistories(revision = new Revision()): Histories {
  const sources = new Set<HistorySource>();
  return {
    sources,
    add(source) {
      sources.add(source);
      revision.advance();
      return { changed: () => revision.advance(), [Symbol.dispose]: () => void sources.delete(source) };
    },
  };
}
