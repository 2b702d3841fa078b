import type { OptionsReader } from '../kernel/options.js';
import { isChannelName, isPresenceChannel } from './channel-name.js';
import type { HistoryLimits } from './ports.js';
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
}

/** What applies to one channel. */
export interface ChannelPlan {
  /** Whether nothing is kept. */
  readonly isEphemeral: boolean;
  readonly isLatest: boolean;
  readonly failover: FailoverPolicy;
  /** Where they differ from those of the room. */
  readonly history: HistoryLimits | undefined;
}

const LONGEST_HISTORY_MS = 31_536_000_000;
const MOST_ENTRIES = 100_000;

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
      isLatest: false,
      failover,
      history: undefined,
    };
    this.#byName = plans;
    this.#byPrefix = [...plans]
      .filter(([name]) => name.endsWith('*'))
      .map(([name, plan]) => [name.slice(0, -1), plan] as const)
      .sort(([a], [b]) => b.length - a.length);
  }

  /** Who is on a channel is always told in full, whatever applies to the channel itself. */
  of(channel: string): ChannelPlan {
    if (this.#byName.size === 0 || isPresenceChannel(channel)) return this.#common;
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
  const history = read.nestedOrFalse('history');
  const isEphemeral = history === false;
  if (isEphemeral && isLatest)
    read.fail('latest', 'absent where history is false: nothing is kept to be the latest');
  read.done();
  return {
    isEphemeral,
    isLatest,
    failover,
    history:
      history === false ? undefined : readHistory(history, isLatest ? { ...common, entries: 1 } : common),
  };
}
