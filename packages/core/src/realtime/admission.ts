import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/logger.js';
import { assertFollowableName } from './channel-name.js';
import type { SseSession } from './connection.js';
import type { Connections } from './connections.js';
import {
  RealtimeDrainingError,
  RealtimeFullError,
  RealtimeRoleError,
  TooManyChannelsError,
  TooManyConnectionsError,
} from './errors.js';
import type { ResolvedRealtimeOptions } from './options.js';
import { memberOf } from './presence/presence.js';
import type { RealtimeMetrics } from './realtime-metrics.js';
import type { RefusalReason } from './reasons.js';

/** What is known of a client that wants to connect; what is not known yet is left out. */
export type Applicant = Partial<Pick<SseSession, 'channels' | 'presence' | 'identity' | 'address'>>;

/** What admission goes by. */
export interface AdmissionInit {
  readonly connections: Connections;
  readonly options: ResolvedRealtimeOptions;
  readonly metrics: RealtimeMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly isDraining: () => boolean;
}

/** Says so in the log at most this often: whoever is refused tries again. */
const WARN_EVERY_MS = 60_000;

/** Decides which connections this instance takes. */
export class Admission {
  readonly #init: AdmissionInit;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(init: AdmissionInit) {
    this.#init = init;
  }

  /** Why a connection would be refused now. Counts what it refuses. */
  refusal({ channels = [], presence, identity, address }: Applicant): Error | undefined {
    const { options, metrics } = this.#init;
    const refusal = this.limit(options.userOf(identity), address);
    if (refusal !== undefined) return refusal;
    try {
      this.checkChannels(channels);
      if (presence === undefined) return undefined;
      this.checkChannels(presence.channels ?? []);
      memberOf(presence, options.presence.maxInfoBytes);
      return undefined;
    } catch (cause) {
      metrics.refused('invalid');
      return cause as Error;
    }
  }

  /** Why one more connection of a user, from an address, would be refused now. Counts what it refuses. */
  limit(user: string | undefined, address: string | undefined): Error | undefined {
    const { connections, options, isDraining } = this.#init;
    const { role, maxConnections, maxConnectionsPerAddress } = options;
    if (isDraining()) return this.#refuse('draining', new RealtimeDrainingError());
    if (role === 'publish-only')
      return this.#refuse('role', new RealtimeRoleError(role, 'takes no connections'));
    if (connections.size >= maxConnections)
      return this.#refuse('full', new RealtimeFullError(maxConnections));
    const ofUser = this.limitOf(user);
    if (ofUser !== undefined) return ofUser;
    if (maxConnectionsPerAddress !== false && address !== undefined) {
      if (connections.countFrom(address) >= maxConnectionsPerAddress)
        return this.#refuse(
          'address',
          new TooManyConnectionsError('address', address, maxConnectionsPerAddress),
        );
    }
    return undefined;
  }

  /** The same for the part of it that is the user's. */
  limitOf(user: string | undefined): Error | undefined {
    const { connections, options } = this.#init;
    const { maxConnectionsPerUser: limit } = options;
    if (limit === false || user === undefined || connections.countOf(user) < limit) return undefined;
    return this.#refuse('user', new TooManyConnectionsError('user', user, limit));
  }

  /** @throws `InvalidChannelError`, `TooManyChannelsError` */
  checkChannels(channels: readonly string[]): void {
    for (const channel of channels) assertFollowableName(channel);
    const { maxChannelsPerConnection } = this.#init.options;
    if (channels.length > maxChannelsPerConnection)
      throw new TooManyChannelsError(channels.length, maxChannelsPerConnection);
  }

  #refuse(reason: RefusalReason, error: Error): Error {
    const { metrics, clock, logger } = this.#init;
    metrics.refused(reason);
    const now = clock.monotonic();
    // A limit may hit whom it was not meant for: guests that share an identity, an office behind one address.
    if ((reason === 'user' || reason === 'address') && now - this.#warnedAt >= WARN_EVERY_MS) {
      this.#warnedAt = now;
      logger.warn({ err: error }, error.message);
    }
    return error;
  }
}
