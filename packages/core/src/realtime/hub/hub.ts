import type { Clock } from '../../kernel/clock.js';
import { messageOf } from '../../kernel/errors.js';
import type { Logger } from '../../kernel/logger.js';
import type { TokenCodec } from '../../kernel/token-codec.js';
import { isPandosOwn } from '../channel-name.js';
import type { ChannelPlans } from '../channel-plans.js';
import type { Broker, BrokerListener } from '../ports.js';
import { compareIds } from '../position.js';
import type { RealtimeMetrics } from '../realtime-metrics.js';
import type { Recovery } from '../recovery.js';
import { Channel, type ChannelEnvironment } from './channel.js';
import { EphemeralChannel, type EphemeralEnvironment } from './ephemeral-channel.js';
import { History } from './history.js';
import { Pace } from './pace.js';
import { Pulse } from './pulse.js';
import { type Place, Reader, type Sink } from './reader.js';

/** How a hub keeps its channels. */
export interface HubSettings {
  readonly tickMs: number;
  /** Time that a channel without readers is still followed. */
  readonly lingerMs: number;
  /** Interval at which all channels are compared with their logs. */
  readonly sweepMs: number;
}

type AnyChannel = Channel | EphemeralChannel;

/** Something that gathers what it is given, to write it in one go. */
export interface Gathering {
  /** The turn is over: writes what was gathered. Does not throw. */
  settle(): void;
}

/** What a hub stands on. */
export interface HubInit {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RealtimeMetrics;
  readonly recovery: Recovery;
  readonly plans: ChannelPlans;
  /** Reads the tokens of events. Absent: they carry none. */
  readonly tokens: TokenCodec | undefined;
  readonly settings: HubSettings;
}

/** Sizes that follow from what one turn, one read and one connection should cost, not from the application. */
const limits = Object.freeze({
  ringEntries: 128,
  ringBytes: 262_144,
  pageEntries: 128,
  pageBytes: 524_288,
  stretchBytes: 65_536,
  maxPending: 1_024,
  concurrentReads: 32,
  channelsPerQuestion: 500,
  /** Some milliseconds of writing. */
  readersPerTurn: 1_000,
});

/** All channels that this process follows, and the one place where time passes for them. */
export class Hub implements BrokerListener {
  readonly pulse: Pulse;
  readonly #broker: Broker;
  readonly #logger: Logger;
  readonly #settings: HubSettings;
  readonly #plans: ChannelPlans;
  readonly #environment: ChannelEnvironment & EphemeralEnvironment;
  readonly #channels = new Map<string, AnyChannel>();
  /** Channels without readers, and since when. */
  readonly #unused = new Map<AnyChannel, number>();
  readonly #stuck = new Set<AnyChannel>();
  #touched: Gathering[] = [];
  #dirty: AnyChannel[] = [];
  #isScheduled = false;
  #sweeping: Promise<void> | undefined;
  #sweepAgain = false;
  #sweepDueAt: number;

  constructor({ broker, clock, logger, metrics, recovery, plans, tokens, settings }: HubInit) {
    this.#broker = broker;
    this.#logger = logger;
    this.#settings = settings;
    this.#plans = plans;
    this.pulse = new Pulse(clock, settings.tickMs, () => this.#tick());
    this.#sweepDueAt = this.pulse.now + settings.sweepMs;
    const pace = new Pace(limits);
    this.#environment = {
      ...limits,
      broker,
      pace,
      history: new History(broker, { pace, metrics }),
      metrics,
      logger,
      recovery,
      tokens,
      onDirty: (channel) => {
        this.#dirty.push(channel);
        this.#schedule();
      },
      onStuck: (channel) => this.#stuck.add(channel),
      onUsed: (channel) => this.#unused.delete(channel),
      onUnused: (channel) => this.#unused.set(channel, this.pulse.now),
    };
  }

  /** How many channels are followed. */
  get size(): number {
    return this.#channels.size;
  }

  /** Why the channel cannot be followed, as long as the servers are what they are. */
  obstacleTo(name: string): Error | undefined {
    return isPandosOwn(name) || this.#plans.of(name).isPlain ? undefined : this.#broker.obstacle;
  }

  /** A reader of the channel, which begins with {@link Reader.join}. */
  reader<Frame>(name: string, sink: Sink<Frame>, place: Place, tag?: unknown): Reader<Frame> {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      const plan = this.#plans.of(name);
      channel = plan.isEphemeral
        ? new EphemeralChannel(name, this.#environment, plan)
        : new Channel(name, this.#environment, plan);
      this.#channels.set(name, channel);
      this.#unused.set(channel, this.pulse.now);
    }
    return new Reader(channel, sink, place, tag);
  }

  /** Something was gathered: settles it at the end of this turn. To be called once until then. */
  touch(sink: Gathering): void {
    this.#touched.push(sink);
    this.#schedule();
  }

  onRestored(): void {
    this.#retry();
    this.sweep();
  }

  onBlind(): void {
    // Nothing to do: connections stay, and what will have been missed is found by the sweep afterwards.
  }

  /** Compares every channel with its log, for the last announcement of a burst may be lost and nothing follow it. */
  sweep(): void {
    this.#sweepDueAt = this.pulse.now + this.#settings.sweepMs;
    if (this.#sweeping !== undefined) {
      this.#sweepAgain = true;
      return;
    }
    this.#sweeping = this.#sweep().finally(() => {
      this.#sweeping = undefined;
      if (this.#sweepAgain) {
        this.#sweepAgain = false;
        this.sweep();
      }
    });
  }

  async close(): Promise<void> {
    this.pulse[Symbol.dispose]();
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    this.#unused.clear();
    this.#stuck.clear();
    await Promise.all(channels.map((channel) => channel.close()));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // After everything that this turn of the event loop has read: one write for all of it.
    setImmediate(this.#flush);
  }

  /** Serves some readers and writes what they were given; goes on in the next turn, for others have work to do, too. */
  readonly #flush = (): void => {
    this.#isScheduled = false;
    const dirty = this.#dirty;
    this.#dirty = [];
    const unfinished: AnyChannel[] = [];
    let left = limits.readersPerTurn;
    let begun = 0;
    for (; begun < dirty.length && left > 0; begun++) {
      const channel = dirty[begun] as AnyChannel;
      left = channel.serve(left) - 1; // a channel without readers costs something, too
      if (left < 0) unfinished.push(channel);
    }
    const touched = this.#touched;
    this.#touched = [];
    for (const sink of touched) sink.settle();
    if (begun === dirty.length && unfinished.length === 0) return;
    // Behind those that wait: many readers of one channel do not hold up the others.
    this.#dirty = [...dirty.slice(begun), ...unfinished, ...this.#dirty];
    this.#schedule();
  };

  #tick(): void {
    this.#retry();
    this.#environment.history.age();
    if (this.pulse.now >= this.#sweepDueAt) this.sweep();
    for (const [channel, since] of this.#unused) {
      if (this.pulse.now - since < this.#settings.lingerMs) break; // in the order in which they were left
      this.#unused.delete(channel);
      this.#stuck.delete(channel);
      this.#channels.delete(channel.name);
      void channel.close();
    }
  }

  #retry(): void {
    const stuck = [...this.#stuck];
    this.#stuck.clear();
    for (const channel of stuck) channel.retry();
  }

  async #sweep(): Promise<void> {
    const channels = [...this.#channels.values()].filter((channel) => channel instanceof Channel);
    for (let from = 0; from < channels.length; from += limits.channelsPerQuestion) {
      const some = channels.slice(from, from + limits.channelsPerQuestion);
      const before = some.map(({ run }) => run.lastId);
      try {
        const heads = await this.#broker.heads(some.map(({ name }) => name));
        for (const [index, { run }] of some.entries()) {
          const head = heads[index];
          if (head === undefined) this.#sweepDueAt = this.pulse.now; // the next tick asks again
          if (head === undefined || !run.isSettled) continue;
          const order = compareIds(head.id, run.lastId);
          // Ahead of the answer is normal while messages flow; ahead while nothing moved means that the log lost some.
          const isAhead = order < 0 && before[index] === run.lastId;
          if (order > 0 || isAhead || head.lineage !== run.lineage) run.heal();
        }
      } catch (cause) {
        this.#logger.debug({ err: cause }, `channels not compared with their logs: ${messageOf(cause)}`);
        this.#sweepDueAt = this.pulse.now; // the next tick tries again
        return;
      }
    }
  }
}
