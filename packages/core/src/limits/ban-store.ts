import type { Signalled } from '../kernel/abort.js';

/** Who is banned, and how. */
export interface BanEntry {
  /** A key, or an address or network in its one form. */
  readonly subject: string;
  readonly reason: string | undefined;
  /** Epoch milliseconds, by the store's clock. */
  readonly bannedAt: number;
  /** How long the ban holds from now on; undefined until further notice. */
  readonly leftMs: number | undefined;
}

/** What is to become of a subject. */
export type BanChange =
  | {
      readonly subject: string;
      readonly isBanned: true;
      readonly forMs: number | undefined;
      readonly reason: string | undefined;
    }
  | { readonly subject: string; readonly isBanned: false };

/** One change of the list, as all instances hear of it. */
export interface BanNews {
  /** The list's version before and after; versions only grow, and 0 is the empty list that never was another. */
  readonly previous: number;
  readonly version: number;
  readonly subject: string;
  /** Undefined where the ban was lifted. */
  readonly ban: BanEntry | undefined;
}

/** The whole list, at that version or later. */
export interface BanList {
  readonly version: number;
  readonly bans: readonly BanEntry[];
}

/** Hears of changes; of undefined, that some may have gone unheard. */
export type BanListener = (news: BanNews | undefined) => void;

/** Bans that are remembered for all instances. */
export interface BanStore {
  start(listener: BanListener, options?: Signalled): Promise<void>;
  /** Changes the list, and tells all. Undefined where it is full. Rejects when it is not known whether that happened. */
  change(change: BanChange, options?: Signalled): Promise<BanNews | undefined>;
  /** The list, unless its version is still the known one. Changes during the call may be in it, or not. */
  read(known: number, options?: Signalled): Promise<BanList | undefined>;
  close(): Promise<void>;
}

/** The most bans a list holds. */
export const MAX_BANS = 100_000;
