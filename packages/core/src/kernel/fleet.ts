/** Who else is here: instances that renewed their lease lately. */
export interface Fleet {
  /** This instance's id. */
  readonly self: string;
  /** Ids of the live instances as of the last heartbeat, this one included, sorted. */
  instances(): readonly string[];
}
