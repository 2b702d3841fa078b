import type { Frame, Upward } from './frames.js';

/** How a connection ended. */
export interface End {
  /** When the server wants to be asked again; it has spread its clients already. */
  readonly afterMs?: number | undefined;
  /** The least time to wait, the same for everybody. */
  readonly atLeastMs?: number | undefined;
  /** Why it failed. */
  readonly error?: Error | undefined;
  /** Whether there is no point in trying again. */
  readonly isFinal?: boolean | undefined;
  /** Whether another credential may help. */
  readonly isUnauthorized?: boolean | undefined;
}

/** Who hears a connection. */
export interface LinkEvents {
  /** The server has accepted it. */
  opened(): void;
  frame(frame: Frame): void;
  /** Called once, and nothing after it. */
  ended(end: End): void;
}

/** One connection, from its attempt to its end. */
export interface Link {
  send(frame: Upward): void;
  /** Ends it without a word to who listens. */
  close(): void;
}

/** Opens connections of one kind. */
export interface Transport {
  /** Whether its channels are the server's choice: it only listens. */
  readonly isOneWay: boolean;
  open(events: LinkEvents, credential: string | undefined): Link;
}
