import { abortable, type Signalled } from '../kernel/abort.js';
import { ClosedError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import type { LaggardSource } from '../kernel/laggards.js';
import type { Outlet, Socket } from '../kernel/outlet.js';
import type { Check } from '../kernel/room.js';
import { emptyToken } from '../kernel/token.js';
import type { TokenCodec } from '../kernel/token-codec.js';
import type { Applicant } from './admission.js';
import type { DisconnectOptions, Realtime } from './api.js';
import { assertChannelName, assertFollowableName, isPresenceChannel } from './channel-name.js';
import type { Connection, SocketConnection, SocketSession, SseSession } from './connection.js';
import type { Served } from './connections.js';
import { RealtimeRoleError } from './errors.js';
import type { Format } from './hub/entry.js';
import { Hub } from './hub/hub.js';
import { Lifetimes } from './lifetime.js';
import type {
  ChannelPosition,
  Message,
  Published,
  PublishOptions,
  SubscribeOptions,
  Subscription,
} from './message.js';
import { realtimeInstruments } from './metrics.js';
import type { ResolvedRealtimeOptions } from './options.js';
import { OrderLine } from './order-line.js';
import { checkedDisconnect, checkedUser } from './orders.js';
import type { Broker, HeldId, MessageSpans } from './ports.js';
import { formatPosition } from './position.js';
import { type Presence, presenceOf } from './presence/presence.js';
import { Roster } from './presence/roster.js';
import { Publications } from './publications.js';
import { RealtimeMetrics } from './realtime-metrics.js';
import { Reception } from './reception.js';
import { type Recovery, recovery } from './recovery.js';
import { placeOf } from './resume.js';
import { SendBudget } from './send-budget.js';
import { spread } from './spread.js';
import type { SseEnvironment } from './sse-session.js';
import { LocalSubscription, localFormat } from './subscription.js';
import type { WsEnvironment } from './ws-environment.js';

/** Steps of the one timer for heartbeats, pings and the like, at most this long. */
const MAX_TICK_MS = 1_000;

/** What the room is built from. */
export interface RealtimeParts {
  readonly kernel: Kernel;
  readonly options: ResolvedRealtimeOptions;
  readonly broker: Broker;
  readonly tokens: TokenCodec | undefined;
  /** Tests put broken ones in their place, to see that they notice. */
  readonly rules?: Recovery | undefined;
  readonly laggards?: LaggardSource | undefined;
  /** Undefined: nobody wants spans. */
  readonly spans?: MessageSpans | undefined;
}

/** Decides; the broker does the I/O. */
export class RealtimeRoom implements Realtime {
  readonly name = 'realtime';
  readonly #kernel: Kernel;
  readonly #options: ResolvedRealtimeOptions;
  readonly #broker: Broker;
  readonly #spans: MessageSpans | undefined;
  readonly #metrics: RealtimeMetrics;
  readonly #hub: Hub;
  readonly #roster: Roster;
  readonly #publications: Publications;
  readonly #local: Format<Message, readonly Message[]>;
  readonly #reception: Reception;
  readonly #orders: OrderLine;
  readonly #subscriptions = new Set<LocalSubscription>();
  readonly #gauges: readonly Disposable[];
  #opened = 0;
  #starting: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor({ kernel, options, broker, tokens, rules = recovery, laggards, spans }: RealtimeParts) {
    const { clock, logger, meter, contexts } = kernel;
    const { channels: plans, lingerMs, sweepMs, heartbeatMs, pingMs, stallMs } = options;
    this.#kernel = kernel;
    this.#options = options;
    this.#broker = broker;
    this.#spans = spans;
    this.#metrics = new RealtimeMetrics(meter);
    const { leaveMs, leaseMs, maxInfoBytes } = options.presence;
    const tickMs = Math.max(
      1,
      Math.min(
        ...[MAX_TICK_MS, heartbeatMs / 4, pingMs / 4, stallMs / 4, lingerMs, sweepMs],
        ...[leaveMs, leaseMs / 3],
      ),
    );
    const metrics = this.#metrics;
    const settings = { lingerMs, sweepMs, tickMs };
    this.#hub = new Hub({ broker, clock, logger, metrics, recovery: rules, plans, tokens, settings });
    const { pulse } = this.#hub;
    const store = broker.presence;
    this.#roster = new Roster({ store, clock, pulse, logger, metrics, leaveMs, leaseMs, maxInfoBytes });
    this.#publications = new Publications({ kernel, options, broker, tokens, laggards, spans, metrics });
    this.#local = localFormat(tokens);
    const { reconnectMinMs, reconnectMaxMs } = options;
    const { sendBufferBytes: softLimitBytes, sendBudgetBytes: totalBytes } = options;
    const budget = new SendBudget({ softLimitBytes, totalBytes });
    const shared = {
      hub: this.#hub,
      roster: this.#roster,
      metrics,
      lifetimes: new Lifetimes({ clock, pulse, maxAgeMs: options.maxConnectionAgeMs }),
      budget,
      stallMs,
      retryMs: () => reconnectMinMs + Math.random() * (reconnectMaxMs - reconnectMinMs),
      userOf: options.userOf,
      onEnded: (connection: Served, comesBack: boolean) => {
        this.#reception.connections.remove(connection);
        this.#roster.ended(connection, comesBack ? reconnectMaxMs : 0);
      },
    };
    const sse: SseEnvironment = { ...shared, heartbeatMs, tokens };
    const ws: WsEnvironment = {
      ...shared,
      logger,
      contexts,
      pingMs,
      maxMessagesPerSecond: options.maxMessagesPerSecond,
      identify: (...asked) => this.#reception.identify(...asked),
      maxMessageBytes: options.maxMessageBytes,
      maxChannels: options.maxChannelsPerConnection,
      publish: (channel, event, publishing) => this.publish(channel, event, publishing),
      presence: (channel) => this.presence(channel),
    };
    this.#reception = new Reception({
      options,
      sse,
      ws,
      isDraining: () => this.isDraining,
      newId: () => `${broker.self}.${(++this.#opened).toString(36)}`,
    });
    const { connections, orders } = this.#reception;
    const line = { hub: this.#hub, publisher: this.#publications.publisher, format: this.#local };
    this.#orders = new OrderLine({ ...line, orders, contexts, logger });
    const count = (transport: string) => () => {
      let open = 0;
      for (const connection of connections) if (connection.transport === transport) open++;
      return open;
    };
    this.#gauges = [
      meter.observe(realtimeInstruments.connections, count('sse'), { transport: 'sse' }),
      meter.observe(realtimeInstruments.connections, count('ws'), { transport: 'ws' }),
      meter.observe(realtimeInstruments.waiting, () => budget.waiting),
      meter.observe(realtimeInstruments.channels, () => this.#hub.size - this.#orders.size),
      meter.observe(realtimeInstruments.present, () => this.#roster.size),
    ];
  }

  get connections(): number {
    return this.#reception.connections.size;
  }

  get isDraining(): boolean {
    return this.#draining !== undefined || this.#closing !== undefined;
  }

  get maxMessageBytes(): number {
    return this.#options.maxMessageBytes;
  }

  start({ signal }: Signalled = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('realtime'));
    const hub = this.#hub;
    const onRestored = (): void => {
      hub.onRestored();
      this.#roster.onRestored();
    };
    this.#starting ??= this.#broker
      .start({ onRestored, onBlind: () => hub.onBlind() }, { signal })
      .then(() => {
        const { obstacle } = this.#broker;
        if (obstacle !== undefined) this.#kernel.logger.warn({ err: obstacle }, obstacle.message);
        if (this.#options.role !== 'publish-only' && this.#closing === undefined) this.#orders.hear();
      });
    return abortable(this.#starting, signal);
  }

  publish(channel: string, event: unknown, options?: PublishOptions): Promise<Published> {
    return this.#publications.publish(channel, event, options);
  }

  async release(ids: readonly HeldId[], { signal }: Signalled = {}): Promise<void> {
    signal?.throwIfAborted();
    if (ids.length > 0) await this.#broker.release(ids, { signal });
  }

  async subscribe(
    channel: string,
    listener: (message: Message) => void,
    { since, onReset, signal }: SubscribeOptions = {},
  ): Promise<Subscription> {
    signal?.throwIfAborted();
    this.#assertOpen();
    if (this.#options.role === 'publish-only') throw new RealtimeRoleError('publish-only', 'follows nothing');
    assertFollowableName(channel);
    const obstacle = this.#hub.obstacleTo(channel);
    if (obstacle !== undefined) throw obstacle;
    if (isPresenceChannel(channel)) this.#roster.wake();
    const { contexts, logger } = this.#kernel;
    const subscription = new LocalSubscription({
      channel,
      listener,
      onReset,
      contexts,
      logger,
      format: this.#local,
      spans: this.#spans,
      onClosed: (closed) => void this.#subscriptions.delete(closed),
    });
    this.#subscriptions.add(subscription);
    subscription.follow(this.#hub.reader(channel, subscription, placeOf(since)));
    try {
      await abortable(subscription.started, signal);
    } catch (cause) {
      await subscription.close();
      throw cause;
    }
    return subscription;
  }

  async position(channel: string, { signal }: Signalled = {}): Promise<ChannelPosition> {
    signal?.throwIfAborted();
    this.#assertOpen();
    assertFollowableName(channel);
    if (this.#options.channels.of(channel).isEphemeral) return { channel, position: '', token: emptyToken };
    const {
      head: id,
      lineage,
      seen,
    } = await this.#broker.read(channel, { from: undefined, limit: 0, signal });
    this.#kernel.contexts.current().observe(seen);
    return { channel, position: formatPosition({ id, index: undefined, lineage }), token: seen };
  }

  async presence(channel: string, { signal }: Signalled = {}): Promise<Presence> {
    signal?.throwIfAborted();
    this.#assertOpen();
    assertChannelName(channel);
    return presenceOf(
      channel,
      await this.#roster.read(channel, this.#options.presence.maxMembers, { signal }),
    );
  }

  async openSse(outlet: Outlet, session: SseSession): Promise<Connection> {
    return this.#reception.openSse(outlet, session);
  }

  openSocket<Identity>(socket: Socket, session: SocketSession<Identity>): SocketConnection {
    return this.#reception.openSocket(socket, session as SocketSession);
  }

  refusal(applicant: Applicant = {}): Error | undefined {
    return this.#reception.refusal(applicant);
  }

  async disconnectUser(userId: string, { reason, signal }: DisconnectOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.#orders.give({ kind: 'disconnect', ...checkedDisconnect(userId, reason) }, signal);
  }

  async revoke(
    userId: string,
    channels: string | readonly string[],
    { signal }: Signalled = {},
  ): Promise<void> {
    const order = { kind: 'revoke', user: checkedUser(userId), channels: [channels].flat() } as const;
    for (const channel of order.channels) assertChannelName(channel);
    this.#assertOpen();
    await this.#orders.give(order, signal);
  }

  /** Tells every client to come back to another instance, spread over the drain time; all at once when the signal aborts. */
  drain({ signal }: Signalled = {}): Promise<void> {
    this.#draining ??= this.#drain(signal);
    return this.#draining;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  checks(): readonly Check[] {
    return [
      {
        name: 'realtime',
        critical: false,
        run: async () => {
          const { obstacle, isLive } = this.#broker;
          const late = 'announcements may be late: connections stay, and catch up afterwards';
          if (obstacle === undefined && isLive) return { status: 'healthy' };
          return { status: 'degraded', detail: obstacle?.message ?? late };
        },
      },
    ];
  }

  #drain(signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#kernel;
    const leave = (connection: Served) => connection.leave();
    return spread([...this.#reception.connections], leave, {
      clock,
      durationMs: this.#options.drainMs,
      signal,
    });
  }

  async #close(): Promise<void> {
    for (const connection of [...this.#reception.connections]) connection.close();
    for (const subscription of [...this.#subscriptions]) await subscription.close();
    await this.#orders.close();
    this.#publications.close();
    await this.#roster.close();
    await this.#hub.close();
    await this.#broker.close();
    for (const gauge of this.#gauges) gauge[Symbol.dispose]();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('realtime');
  }
}
