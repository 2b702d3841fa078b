import { isChannelName } from '../kernel/names.js';
import type { OptionsReader } from '../kernel/options.js';
import { isPandosOwn } from './channel-name.js';
import type { Durability, HistoryLimits } from './ports.js';
import type { FailoverPolicy } from './recovery.js';

/** How some channels differ from the others. */
export interface ChannelOptions {
  /**
   * What is kept of them. `false`: nothing. Messages then reach whoever listens now, at most once; they have no
   * position, `id` counts for nothing, and what a slow or absent client misses, it misses.
   *
   * @defaultValue the room's `history`
   */
  readonly history?:
    | {
        /** Packets kept, at least; one where only the newest message counts. */
        readonly size?: number | undefined;
        /** Time since the last publish after which a channel's history is forgotten. */
        readonly ttlMs?: number | undefined;
      }
    | false
    | undefined;
  /**
   * Whether only the newest message counts, as for a price or a progress bar: clients that are slow or come back get that
   * one alone, and what they pass over is no reset.
   */
  readonly latest?: boolean | undefined;
  /**
   * Whether services in other languages take part: what is published goes out by a plain `PUBLISH` of its JSON under the
   * channel's bare name, and what anybody publishes there in JSON arrives like any event. At most once, as with
   * `history: false`, which this implies; a token does not travel along. Redis only.
   */
  readonly plain?: boolean | undefined;
  /**
   * Waits with each publish until so many replicas of Redis have it, so that a failover loses nothing that was
   * acknowledged as long as one of them takes over. Positions outlive a failover then, whatever `failover` says: only
   * those that are gone are reset.
   */
  readonly durability?:
    | {
        /** Replicas that must have the message; one, unless it says otherwise. */
        readonly replicas?: number | undefined;
        /** How long to wait for them, a second unless it says otherwise; then `publish` throws, and may be repeated with the same `id`. */
        readonly timeoutMs?: number | undefined;
      }
    | undefined;
}

/** What applies to one channel. */
export interface ChannelPlan {
  /** Whether nothing is kept. */
  readonly isEphemeral: boolean;
  /** Whether services outside the fleet take part. */
  readonly isPlain: boolean;
  readonly isLatest: boolean;
  readonly failover: FailoverPolicy;
  /** Where they differ from those of the room. */
  readonly history: HistoryLimits | undefined;
  readonly durability: Durability | undefined;
}

const LONGEST_HISTORY_MS = 31_536_000_000;
const MOST_ENTRIES = 100_000;
const MOST_REPLICAS = 100;
const LONGEST_WAIT_MS = 60_000;
const DURABLE_WITHIN_MS = 1_000;

/** Reads what a history may keep; the same for the room and for some channels. */
export function readHistory(read: OptionsReader, { entries, ttlMs }: HistoryLimits): HistoryLimits {
  const limits = {
    entries: read.int('size', entries, { min: 1, max: MOST_ENTRIES }),
    // Redis counts whole ones.
    ttlMs: Math.ceil(read.ms('ttlMs', ttlMs, { max: LONGEST_HISTORY_MS })),
  };
  read.done();
  return limits;
}

/** What applies to which channel: of its name, or of the longest prefix of it that was given. */
export class ChannelPlans {
  readonly #common: ChannelPlan;
  readonly #byName: ReadonlyMap<string, ChannelPlan>;
  /** The longest first. */
  readonly #byPrefix: readonly (readonly [prefix: string, plan: ChannelPlan])[];

  constructor(failover: FailoverPolicy, plans: ReadonlyMap<string, ChannelPlan> = new Map()) {
    this.#common = {
      isEphemeral: false,
      isPlain: false,
      isLatest: false,
      failover,
      history: undefined,
      durability: undefined,
    };
    this.#byName = plans;
    this.#byPrefix = [...plans]
      .filter(([name]) => name.endsWith('*'))
      .map(([name, plan]) => [name.slice(0, -1), plan] as const)
      .sort(([a], [b]) => b.length - a.length);
  }

  /** Who is on a channel, and what instances order one another, is always told in full, whatever applies to the rest. */
  of(channel: string): ChannelPlan {
    if (this.#byName.size === 0 || isPandosOwn(channel)) return this.#common;
    const own = this.#byName.get(channel);
    if (own !== undefined) return own;
    for (const [prefix, plan] of this.#byPrefix) if (channel.startsWith(prefix)) return plan;
    return this.#common;
  }

  /** The longest time for which anything is kept. */
  longestTtlMs(commonMs: number): number {
    return Math.max(commonMs, ...[...this.#byName.values()].map(({ history }) => history?.ttlMs ?? 0));
  }
}

/** Checks `channels`; throws `PandoOptionsError` naming what is wrong. */
export function readChannelPlans(
  read: OptionsReader,
  names: readonly string[],
  common: HistoryLimits,
  failover: FailoverPolicy,
): ChannelPlans {
  const plans = new Map<string, ChannelPlan>();
  for (const name of names) {
    if (name !== '*' && !isChannelName(name.endsWith('*') ? name.slice(0, -1) : name)) {
      read.failUnshown(name, 'about a channel, or about a prefix of channels with "*" behind it');
    }
    plans.set(name, readPlan(read.nested(name), common, failover));
  }
  read.done();
  return new ChannelPlans(failover, plans);
}

function readPlan(read: OptionsReader, common: HistoryLimits, failover: FailoverPolicy): ChannelPlan {
  const isLatest = read.boolean('latest', false);
  const isPlain = read.boolean('plain', false);
  if (isPlain && typeof read.any('history') === 'object')
    read.failUnshown(
      'history',
      'absent or false where plain is true: nothing is kept of what others publish',
    );
  const history = isPlain ? false : read.nestedOrFalse('history');
  const isEphemeral = history === false;
  const durability =
    read.any('durability') === undefined ? undefined : readDurability(read.nested('durability'));
  if (isEphemeral && isLatest)
    read.fail('latest', 'absent where history is false or plain is true: nothing is kept to be the latest');
  if (isEphemeral && durability !== undefined)
    read.failUnshown(
      'durability',
      'absent where history is false or plain is true: nothing is kept to be durable',
    );
  read.done();
  return {
    isEphemeral,
    isPlain,
    isLatest,
    failover: durability === undefined ? failover : 'verify',
    history:
      history === false ? undefined : readHistory(history, isLatest ? { ...common, entries: 1 } : common),
    durability,
  };
}

function readDurability(read: OptionsReader): Durability {
  const durability = {
    replicas: read.int('replicas', 1, { min: 1, max: MOST_REPLICAS }),
    // Redis counts whole ones, and takes none for "as long as it takes".
    timeoutMs: Math.ceil(read.ms('timeoutMs', DURABLE_WITHIN_MS, { max: LONGEST_WAIT_MS })),
  };
  read.done();
  return durability;
}
