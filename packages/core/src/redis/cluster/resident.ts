import type { Commands } from '../commands.js';
import type { Scripts } from '../scripts.js';

/** How patient to be with nodes: see the options of Redis. */
export interface NodeTimes {
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly probeIntervalMs: number;
}

/** A place on a node, which hears what becomes of the connections there. */
export interface Resident {
  readonly tag: string;
  readonly epochKey: string;
  /** This instance's own channel there, for probes. */
  readonly probeChannel: string;
  /** Whether its channels have been acknowledged on the present connection. */
  readonly isSubscribed: boolean;
  deliver(channel: string, payload: Buffer): void;
  /** Commands can be sent, perhaps to another data set than before. */
  nodeUp(): void;
  /** Commands are refused. */
  nodeDown(cause: unknown): void;
  /** Channels can be asked for. */
  nodeListens(): void;
  /** Channels are not subscribed any more: the connection has ended, or the slot has left. */
  nodeBlind(cause: unknown): void;
  /** The probe with this number has come back, and with it all before. */
  nodeProven(probe: number): void;
}

/** One life of the connection for commands: at the end of another one may be another server. */
export interface NodeLife {
  readonly commands: Commands;
  readonly scripts: Scripts;
  /** Names the process at the other end; empty where nobody may ask. */
  readonly runId: string;
}
