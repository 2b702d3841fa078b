import type { Signalled } from './abort.js';

/** One live instance. */
export interface FleetMember {
  readonly id: string;
  /** What it says of itself; undefined when it says nothing. */
  readonly description: unknown;
}

/** Who else is here: instances that renewed their lease lately. */
export interface Fleet {
  /** This instance's id. */
  readonly self: string;
  /** Ids of the live instances as of the last heartbeat, this one included, sorted. */
  instances(): readonly string[];
}

/** The same, where instances say of themselves what others would know. */
export interface FleetRoster extends Fleet {
  /** Says what others are told of this instance, with each heartbeat from now on. */
  describe(describe: () => object): void;
  /** Asks who is here now, this instance included, once it has been told. */
  members(options?: Signalled): Promise<readonly FleetMember[]>;
  /** Tells of a change before the next heartbeat, in the background. */
  renew(): void;
}
