import { effectsLifeMs } from '../kernel/effects.js';
import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { RedisOption } from '../redis/options.js';
import { type ChannelOptions, type ChannelPlans, readChannelPlans, readHistory } from './channel-plans.js';
import type { Retention } from './ports.js';

/** What an instance does of the room's work. */
export type RealtimeRole = 'all' | 'publish-only' | 'deliver-only';

/** How realtime works. */
export interface RealtimeOptions {
  /** Where instances meet. Absent: one process, memory only. */
  readonly redis?: RedisOption | undefined;
  /** Part of every key; the kit's name where there is a kit. @defaultValue `'app'` */
  readonly name?: string | undefined;
  /** What is kept of each channel, so that clients can go on where they were. */
  readonly history?:
    | {
        /** Packets kept, at least; one may hold several messages. @defaultValue `1_000` */
        readonly size?: number | undefined;
        /** Time since the last publish after which a channel's history is forgotten. @defaultValue `300_000` */
        readonly ttlMs?: number | undefined;
      }
    | undefined;
  /**
   * Where channels differ from each other: by a channel's name, or by a prefix with `*` behind it. Of several that fit,
   * the name counts, then the longest prefix. Every instance must say the same.
   */
  readonly channels?: Readonly<Record<string, ChannelOptions>> | undefined;
  /** How long an event published with `afterAll` is held, at most. @defaultValue `5_000` */
  readonly afterAllMs?: number | undefined;
  /** Time for which a second publish with the same `id` adds nothing. @defaultValue `600_000` */
  readonly idempotencyMs?: number | undefined;
  /**
   * What `publish` does while Redis is away: `reject` at once, or `wait` up to `publishWaitMs` and publish exactly
   * once when it is back.
   *
   * @defaultValue `'reject'`
   */
  readonly onUnavailable?: 'reject' | 'wait' | undefined;
  /** How long a publish waits for Redis, where it waits. @defaultValue `5_000` */
  readonly publishWaitMs?: number | undefined;
  /**
   * What another Redis process or a promoted replica means, either of which may lack what had been acknowledged:
   * `reset` tells every subscriber to read the state afresh; `verify` only those whose own position is gone, and
   * may pass over messages that were lost before this instance had them.
   *
   * @defaultValue `'reset'`
   */
  readonly failover?: 'reset' | 'verify' | undefined;
  /** Largest event, as JSON. @defaultValue `262_144` */
  readonly maxEventBytes?: number | undefined;
  /** Largest message that a client may send. @defaultValue `65_536` */
  readonly maxMessageBytes?: number | undefined;
  /** Connections of this instance. @defaultValue `100_000` */
  readonly maxConnections?: number | undefined;
  /**
   * Age at which a connection is told to come back, which spreads connections over instances that were added later: some
   * end at three quarters of it, none is older. @defaultValue `false`
   */
  readonly maxConnectionAgeMs?: number | false | undefined;
  /**
   * Names the user of an identity, whose connections are counted together and can be ended by `disconnectUser`; `undefined`
   * for one that is nobody's, or everybody's, such as a guest's. @defaultValue an identity that is a string, or else its `id`
   */
  readonly userOf?: ((identity: unknown) => string | undefined) | undefined;
  /**
   * Connections that one user may have to this instance; see `userOf`. Tabs and devices add up: 50 is far above what people need, and
   * keeps one account from taking all. Off unless set, since an identity that many share, as guests do, would shut them out, and only
   * once there are many. @defaultValue `false`
   */
  readonly maxConnectionsPerUser?: number | false | undefined;
  /**
   * Connections from one address, an IPv6 address standing for its /64. Off unless set, since whole offices and mobile networks
   * share one. Behind proxies the framework has to trust them. @defaultValue `false`
   */
  readonly maxConnectionsPerAddress?: number | false | undefined;
  /**
   * Messages that one client may send a second, over time; some hundreds may come at once. What is beyond that is not heard, and
   * the client is told; who goes on is closed with 1008. @defaultValue `100`
   */
  readonly maxMessagesPerSecond?: number | false | undefined;
  /**
   * What this instance does: `publish-only` takes no connections and follows nothing, `deliver-only` publishes nothing, neither
   * for its application nor for its clients. Instances of both kinds make a service of their own for connections.
   *
   * @defaultValue `'all'`
   */
  readonly role?: RealtimeRole | undefined;
  /** Channels that one connection may follow. @defaultValue `128` */
  readonly maxChannelsPerConnection?: number | undefined;
  /** Bytes that may wait for one slow client; beyond that it is sent the rest when it has caught up. @defaultValue `65_536` */
  readonly sendBufferBytes?: number | undefined;
  /**
   * Bytes that may wait for all slow clients together; not less than `sendBufferBytes`. When there are too many of them
   * for that, each may have an equal share, and those with more waiting are sent the rest when they have caught up.
   *
   * @defaultValue `268_435_456`
   */
  readonly sendBudgetBytes?: number | undefined;
  /** Time without any progress after which a slow client's connection is cut. @defaultValue `30_000` */
  readonly stallMs?: number | undefined;
  /** Silence after which an event stream gets a comment; keep it below the idle time of proxies. @defaultValue `15_000` */
  readonly heartbeatMs?: number | undefined;
  /** Interval of pings; a peer that misses two is gone. @defaultValue `25_000` */
  readonly pingMs?: number | undefined;
  /** Clients are told to come back after a random time between these two. */
  readonly reconnect?:
    | {
        /** The shortest. @defaultValue `1_000` */
        readonly minMs?: number | undefined;
        /** The longest; not shorter than `minMs`. @defaultValue `5_000` */
        readonly maxMs?: number | undefined;
      }
    | undefined;
  /** Time over which a drain spreads the ends of connections. @defaultValue `6_000` */
  readonly drainMs?: number | undefined;
  /** Time that a channel without local subscribers is still followed. @defaultValue `10_000` */
  readonly lingerMs?: number | undefined;
  /** Interval at which all channels are compared with their history. @defaultValue `30_000` */
  readonly sweepMs?: number | undefined;
  /**
   * Whether publishes, and calls of listeners in the process, get spans where the app has registered an OpenTelemetry SDK;
   * the channel's name is part of them. @defaultValue `true`
   */
  readonly spans?: boolean | undefined;
  /** How it is kept who is on a channel, where connections ask for it. */
  readonly presence?:
    | {
        /**
         * Time after its end for which a connection still counts, so that a reconnect is neither leave nor join. Clients
         * that were told when to come back (event streams, and all during a drain) have `reconnect.maxMs` more.
         *
         * @defaultValue `5_000`
         */
        readonly leaveMs?: number | undefined;
        /** Silence after which an instance counts as dead, and its connections as gone. @defaultValue `15_000` */
        readonly leaseMs?: number | undefined;
        /** Users that a list holds; the counts are always of all. @defaultValue `1_000` */
        readonly maxMembers?: number | undefined;
        /** Largest `info` of a user, as JSON. @defaultValue `1_024` */
        readonly maxInfoBytes?: number | undefined;
      }
    | undefined;
}

/** What applies when an option is absent. */
export const realtimeDefaults = Object.freeze({
  name: 'app',
  history: Object.freeze({ size: 1_000, ttlMs: 300_000 }),
  afterAllMs: 5_000,
  idempotencyMs: 600_000,
  onUnavailable: 'reject',
  publishWaitMs: 5_000,
  failover: 'reset',
  maxEventBytes: 262_144,
  maxMessageBytes: 65_536,
  maxConnections: 100_000,
  maxConnectionAgeMs: false,
  maxConnectionsPerUser: false,
  maxConnectionsPerAddress: false,
  maxMessagesPerSecond: 100,
  role: 'all',
  maxChannelsPerConnection: 128,
  sendBufferBytes: 65_536,
  sendBudgetBytes: 268_435_456,
  stallMs: 30_000,
  heartbeatMs: 15_000,
  pingMs: 25_000,
  reconnect: Object.freeze({ minMs: 1_000, maxMs: 5_000 }),
  drainMs: 6_000,
  lingerMs: 10_000,
  sweepMs: 30_000,
  spans: true,
  presence: Object.freeze({ leaveMs: 5_000, leaseMs: 15_000, maxMembers: 1_000, maxInfoBytes: 1_024 }),
} as const);

/** Checked options with all defaults filled in. */
export interface ResolvedRealtimeOptions {
  readonly redis: RedisOption | undefined;
  readonly name: string;
  readonly retention: Retention;
  readonly channels: ChannelPlans;
  readonly afterAllMs: number;
  readonly onUnavailable: 'reject' | 'wait';
  readonly publishWaitMs: number;
  readonly failover: 'reset' | 'verify';
  readonly maxEventBytes: number;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  readonly maxConnectionAgeMs: number | false;
  readonly maxConnectionsPerUser: number | false;
  readonly maxConnectionsPerAddress: number | false;
  readonly maxMessagesPerSecond: number | false;
  readonly role: RealtimeRole;
  readonly userOf: (identity: unknown) => string | undefined;
  readonly maxChannelsPerConnection: number;
  readonly sendBufferBytes: number;
  readonly sendBudgetBytes: number;
  readonly stallMs: number;
  readonly heartbeatMs: number;
  readonly pingMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  readonly drainMs: number;
  readonly lingerMs: number;
  readonly sweepMs: number;
  readonly spans: boolean;
  readonly presence: ResolvedPresenceOptions;
}

/** Checked options of presence. */
export interface ResolvedPresenceOptions {
  readonly leaveMs: number;
  readonly leaseMs: number;
  readonly maxMembers: number;
  readonly maxInfoBytes: number;
}

/** A day: quiet channels resume over a night, and a channel that was used once is not kept for ever. */
const HEAD_TTL_MS = 86_400_000;
/** What keeps its own record of events, and looks whether that is too old, needs a moment until it publishes. */
const HELD_MARGIN_MS = 3_600_000;
/** What a cursor of all channels, in a request header, has room for. */
const MOST_CHANNELS = 128;

/** Who an identity is, as far as its shape says. */
function userOf(identity: unknown): string | undefined {
  const id = typeof identity === 'object' && identity !== null ? (identity as { id?: unknown }).id : identity;
  if (typeof id === 'number') return String(id);
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/** Checks the options; throws `PandoOptionsError` naming what is wrong. */
export function resolveRealtimeOptions(options: RealtimeOptions = {}): ResolvedRealtimeOptions {
  const defaults = realtimeDefaults;
  const read = readOptions('realtime', options);
  const history = readHistory(read.nested('history'), {
    entries: defaults.history.size,
    ttlMs: defaults.history.ttlMs,
  });
  const failover = read.oneOf('failover', ['reset', 'verify'], defaults.failover);
  const names = Object.keys(options.channels ?? {});
  const channels = readChannelPlans(read.nested('channels'), names, history, failover);
  const reconnect = read.nested('reconnect');
  const reconnectMinMs = reconnect.ms('minMs', defaults.reconnect.minMs, { min: 0 });
  const reconnectMaxMs = reconnect.ms('maxMs', Math.max(defaults.reconnect.maxMs, reconnectMinMs), {
    min: reconnectMinMs,
  });
  reconnect.done();
  const idempotencyMs = Math.ceil(read.ms('idempotencyMs', defaults.idempotencyMs, { max: effectsLifeMs }));
  const sendBufferBytes = read.bytes('sendBufferBytes', defaults.sendBufferBytes);
  const resolved: ResolvedRealtimeOptions = {
    redis: read.any('redis') as RedisOption | undefined, // checked by the Redis floor
    name: read.string('name', defaults.name),
    retention: {
      historyEntries: history.entries,
      historyTtlMs: history.ttlMs,
      headTtlMs: Math.max(HEAD_TTL_MS, 10 * channels.longestTtlMs(history.ttlMs)),
      idempotencyMs,
      heldIdMs: effectsLifeMs + HELD_MARGIN_MS,
    },
    channels,
    afterAllMs: read.ms('afterAllMs', defaults.afterAllMs),
    onUnavailable: read.oneOf('onUnavailable', ['reject', 'wait'], defaults.onUnavailable),
    publishWaitMs: read.ms('publishWaitMs', defaults.publishWaitMs),
    failover,
    maxEventBytes: read.bytes('maxEventBytes', defaults.maxEventBytes, { max: 16_777_216 }),
    maxMessageBytes: read.bytes('maxMessageBytes', defaults.maxMessageBytes),
    maxConnections: read.int('maxConnections', defaults.maxConnections, { min: 1 }),
    maxConnectionAgeMs: read.msOrFalse('maxConnectionAgeMs', defaults.maxConnectionAgeMs, { min: 1_000 }),
    maxConnectionsPerUser: read.intOrFalse('maxConnectionsPerUser', defaults.maxConnectionsPerUser, {
      min: 1,
    }),
    maxConnectionsPerAddress: read.intOrFalse('maxConnectionsPerAddress', defaults.maxConnectionsPerAddress, {
      min: 1,
    }),
    maxMessagesPerSecond: read.intOrFalse('maxMessagesPerSecond', defaults.maxMessagesPerSecond, { min: 1 }),
    role: read.oneOf('role', ['all', 'publish-only', 'deliver-only'], defaults.role),
    userOf: read.fn('userOf', userOf),
    maxChannelsPerConnection: read.int('maxChannelsPerConnection', defaults.maxChannelsPerConnection, {
      min: 1,
      max: MOST_CHANNELS,
    }),
    sendBufferBytes,
    sendBudgetBytes: read.bytes('sendBudgetBytes', Math.max(defaults.sendBudgetBytes, sendBufferBytes), {
      min: sendBufferBytes,
    }),
    stallMs: read.ms('stallMs', defaults.stallMs),
    heartbeatMs: read.ms('heartbeatMs', defaults.heartbeatMs),
    pingMs: read.ms('pingMs', defaults.pingMs),
    reconnectMinMs,
    reconnectMaxMs,
    drainMs: read.ms('drainMs', defaults.drainMs),
    lingerMs: read.ms('lingerMs', defaults.lingerMs),
    sweepMs: read.ms('sweepMs', defaults.sweepMs),
    spans: read.boolean('spans', defaults.spans),
    presence: readPresence(read.nested('presence')),
  };
  read.done();
  return resolved;
}

function readPresence(read: OptionsReader): ResolvedPresenceOptions {
  const { leaveMs, leaseMs, maxMembers, maxInfoBytes } = realtimeDefaults.presence;
  const resolved = {
    leaveMs: read.ms('leaveMs', leaveMs),
    leaseMs: read.ms('leaseMs', leaseMs, { min: 100 }),
    maxMembers: read.int('maxMembers', maxMembers, { min: 1, max: 10_000 }),
    maxInfoBytes: read.bytes('maxInfoBytes', maxInfoBytes, { max: 65_536 }),
  };
  read.done();
  return resolved;
}
