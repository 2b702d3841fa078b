import type { Contexts } from '../kernel/context.js';
import type { Logger } from '../kernel/logger.js';
import type { Connection } from './connection.js';
import type { Served } from './connections.js';
import type { Hub } from './hub/hub.js';
import type { Lifetimes } from './lifetime.js';
import type { Published, PublishOptions } from './message.js';
import type { OutboxLimits } from './outbox.js';
import type { Presence } from './presence/presence.js';
import type { Roster } from './presence/roster.js';
import type { RealtimeMetrics } from './realtime-metrics.js';

/** What all sockets share. */
export interface WsEnvironment extends OutboxLimits {
  readonly hub: Hub;
  readonly roster: Roster;
  readonly metrics: RealtimeMetrics;
  readonly logger: Logger;
  readonly contexts: Contexts;
  readonly lifetimes: Lifetimes;
  readonly pingMs: number;
  readonly maxMessageBytes: number;
  readonly maxChannels: number;
  readonly maxMessagesPerSecond: number | false;
  /** Who an identity is, where that can be told. */
  userOf(identity: unknown): string | undefined;
  /** A connection that was nobody's is a user's from now on, and `take` notes it; false where that may not be. */
  identify(connection: Served, user: string, askedAt: number, take: () => void): boolean;
  /** A delay for the client's next attempt, another one each time. */
  retryMs(): number;
  publish(channel: string, event: unknown, options: PublishOptions): Promise<Published>;
  presence(channel: string): Promise<Presence>;
  /** `comesBack`: whether its client was told to. */
  onEnded(connection: Connection, comesBack: boolean): void;
}
