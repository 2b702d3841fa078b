import type { Signalled } from '../../kernel/abort.js';

/** One connection on a channel. */
export interface PresenceRow {
  /** `<life>.<number>`: unique among all connections of all instances, and never used again. */
  readonly row: string;
  /** The user's id as JSON; undefined for one that is counted only. */
  readonly user: string | undefined;
  /** What is shown of the user, as JSON. */
  readonly info: string | undefined;
}

/** What happens to a row. */
export type PresenceChange =
  /** It is to be there; what is there already stays as it is. */
  | ({ readonly kind: 'enter' } & PresenceRow)
  /** The same, and its info becomes its user's. */
  | ({ readonly kind: 'update' } & PresenceRow)
  | { readonly kind: 'leave'; readonly row: string };

/** Under which rows are kept: one run of one instance, and for how long it may be silent. */
export interface PresenceLease {
  /** Not the instance's id: one that is started again is another life, which knows nothing of the rows before. */
  readonly life: string;
  readonly leaseMs: number;
}

/** One user of a channel. */
export interface PresentUser {
  /** Its id as JSON. */
  readonly user: string;
  readonly connections: number;
  readonly info: string | undefined;
}

/** Who is on a channel, and where its presence log stands, at one instant. */
export interface PresencePage {
  readonly lineage: string;
  /** Of the presence log: what it holds after this is exactly what the page lacks. */
  readonly head: string;
  /** All users, listed or not. */
  readonly users: number;
  readonly connections: number;
  /** In no order. */
  readonly listed: readonly PresentUser[];
  /** Whether some life's lease has ended whose rows may still be counted here. */
  readonly hasEnded: boolean;
}

/** The answer to a renewal. */
export interface Renewal {
  /** Whether the lease was still valid; if it was not, the rows of this life may be gone. */
  readonly held: boolean;
  /** Lives whose lease has ended and that left rows behind; some of them, if there are many. */
  readonly ended: readonly string[];
}

/**
 * Who is on which channel, over all instances: rows, of which each belongs to the life of one instance, and users, who
 * are there while a row of theirs is.
 *
 * **Atomicity.** One call changes rows and users and appends what that means to the log of the presence channel, as
 * JSON of a `PresenceEvent` in one entry, or does none of it: rows, users and log never differ.
 * **Repetition.** A change that was carried out already does nothing and appends nothing. Of several that remove the
 * same row, one does.
 * **Leases.** Rows are entered under a lease only. A life whose lease has ended keeps its rows until somebody sweeps it.
 * Only the store's own clock counts.
 * **Failure.** A call that cannot reach the store within a bound rejects with `RealtimeUnavailableError`, and may have
 * been carried out.
 */
export interface PresenceStore {
  /** Changes rows of one life. Resolves to false, and does nothing, where it holds no lease. */
  change(
    channel: string,
    life: string,
    changes: readonly PresenceChange[],
    options?: Signalled,
  ): Promise<boolean>;
  /** Reads at most `limit` users. */
  read(channel: string, limit: number, options?: Signalled): Promise<PresencePage>;
  /** Begins the lease of a life, prolongs or shortens it: one of 0 ms ends at once. */
  renew(lease: PresenceLease, options?: Signalled): Promise<Renewal>;
  /** Removes the rows of a life as long as it holds no lease. Resolves to how many this call removed. */
  sweep(life: string, options?: Signalled): Promise<number>;
}
