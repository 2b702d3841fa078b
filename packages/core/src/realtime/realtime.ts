import { abortable, type Signalled } from '../kernel/abort.js';
import { ClosedError, PandoOptionsError } from '../kernel/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { createLaggards, type LaggardSource } from '../kernel/laggards.js';
import type { Outlet, Socket } from '../kernel/outlet.js';
import type { Check } from '../kernel/room.js';
import { emptyToken, isEmptyToken, mergeTokens, type Token } from '../kernel/token.js';
import type { TokenCodec } from '../kernel/token-codec.js';
import type { Realtime } from './api.js';
import { assertChannelName, assertFollowableName, isPresenceChannel } from './channel-name.js';
import { closeCodes } from './close-codes.js';
import type {
  Connection,
  SocketConnection,
  SocketSession,
  SseSession,
  StreamPresence,
} from './connection.js';
import {
  EventTooLargeError,
  RealtimeDrainingError,
  RealtimeFullError,
  TooManyChannelsError,
} from './errors.js';
import { eventJson } from './event-json.js';
import { HeldEvents } from './held-events.js';
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
import { packMessage } from './packing.js';
import type { Broker, HeldId } from './ports.js';
import { formatPosition } from './position.js';
import { memberOf, type Presence, presenceOf } from './presence/presence.js';
import { Roster } from './presence/roster.js';
import { Publisher } from './publisher.js';
import { RealtimeMetrics } from './realtime-metrics.js';
import { type Recovery, recovery } from './recovery.js';
import { placeOf } from './resume.js';
import { SendBudget } from './send-budget.js';
import { spread } from './spread.js';
import { SseConnection, type SseEnvironment } from './sse-session.js';
import { LocalSubscription, localFormat } from './subscription.js';
import type { WsEnvironment } from './ws-environment.js';
import { WsConnection } from './ws-session.js';

/** Steps of the one timer for heartbeats, pings and the like, at most this long. */
const MAX_TICK_MS = 1_000;

/** Decides; the broker does the I/O. */
export class RealtimeRoom implements Realtime {
  readonly name = 'realtime';
  readonly #kernel: Kernel;
  readonly #options: ResolvedRealtimeOptions;
  readonly #broker: Broker;
  readonly #tokens: TokenCodec | undefined;
  readonly #metrics: RealtimeMetrics;
  readonly #hub: Hub;
  readonly #roster: Roster;
  readonly #publisher: Publisher;
  readonly #heldEvents: HeldEvents;
  readonly #local: Format<Message, readonly Message[]>;
  readonly #sse: SseEnvironment;
  readonly #ws: WsEnvironment;
  readonly #connections = new Set<SseConnection | WsConnection>();
  readonly #subscriptions = new Set<LocalSubscription>();
  readonly #gauges: readonly Disposable[];
  #opened = 0;
  #starting: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    kernel: Kernel,
    options: ResolvedRealtimeOptions,
    broker: Broker,
    tokens: TokenCodec | undefined,
    rules: Recovery = recovery,
    laggards: LaggardSource = createLaggards(),
  ) {
    const { clock, logger, meter, contexts } = kernel;
    const {
      channels: plans,
      lingerMs,
      sweepMs,
      heartbeatMs,
      pingMs,
      stallMs,
      onUnavailable,
      publishWaitMs,
    } = options;
    this.#kernel = kernel;
    this.#options = options;
    this.#broker = broker;
    this.#tokens = tokens;
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
    this.#heldEvents = new HeldEvents({
      ...{ clock, laggards, timeoutMs: options.afterAllMs, counters: metrics.held },
    });
    this.#publisher = new Publisher({ broker, plans, clock, metrics, onUnavailable, waitMs: publishWaitMs });
    this.#local = localFormat(tokens);
    const { reconnectMinMs, reconnectMaxMs } = options;
    const shared = {
      hub: this.#hub,
      roster: this.#roster,
      metrics,
      lifetimes: new Lifetimes({ clock, pulse, maxAgeMs: options.maxConnectionAgeMs }),
      budget: new SendBudget({
        softLimitBytes: options.sendBufferBytes,
        totalBytes: options.sendBudgetBytes,
      }),
      stallMs,
      retryMs: () => reconnectMinMs + Math.random() * (reconnectMaxMs - reconnectMinMs),
      onEnded: (connection: SseConnection | WsConnection, comesBack: boolean) => {
        this.#connections.delete(connection);
        this.#roster.ended(connection, comesBack ? reconnectMaxMs : 0);
      },
    };
    this.#sse = { ...shared, heartbeatMs, tokens };
    this.#ws = {
      ...shared,
      logger,
      contexts,
      pingMs,
      userOf: options.userOf,
      maxMessageBytes: options.maxMessageBytes,
      maxChannels: options.maxChannelsPerConnection,
      publish: (channel, event, publishing) => this.publish(channel, event, publishing),
      presence: (channel) => this.presence(channel),
    };
    const count = (transport: string) => () => {
      let open = 0;
      for (const connection of this.#connections) if (connection.transport === transport) open++;
      return open;
    };
    this.#gauges = [
      meter.observe(realtimeInstruments.connections, count('sse'), { transport: 'sse' }),
      meter.observe(realtimeInstruments.connections, count('ws'), { transport: 'ws' }),
      meter.observe(realtimeInstruments.channels, () => this.#hub.size),
      meter.observe(realtimeInstruments.present, () => this.#roster.size),
    ];
  }

  get connections(): number {
    return this.#connections.size;
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
    this.#starting ??= this.#broker.start({ onRestored, onBlind: () => hub.onBlind() }, { signal });
    return abortable(this.#starting, signal);
  }

  async publish(channel: string, event: unknown, options: PublishOptions = {}): Promise<Published> {
    const { id, holdId, afterAll, signal } = options;
    signal?.throwIfAborted();
    assertChannelName(channel);
    const json = eventJson(channel, event);
    const token = this.#tokenOf(options.token);
    const packed = packMessage(token === undefined ? '' : (this.#tokens?.encode(token) ?? ''), json);
    const { maxEventBytes } = this.#options;
    // A character takes one to three bytes, so most events need no exact count.
    if (json.length * 3 > maxEventBytes) {
      const bytes = Buffer.byteLength(json);
      if (bytes > maxEventBytes) throw new EventTooLargeError(channel, bytes, maxEventBytes);
    }
    const turn = this.#heldEvents.turn(channel, afterAll ? (token ?? emptyToken) : undefined);
    if (turn !== undefined) await abortable(turn, signal);
    const isHeld = holdId === true && id !== undefined;
    return await this.#publisher.publish({ channel, id, isHeld, packed, token, signal });
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
    if (this.#closing !== undefined) throw new ClosedError('realtime');
    assertFollowableName(channel);
    if (isPresenceChannel(channel)) this.#roster.wake();
    const { contexts, logger } = this.#kernel;
    const subscription = new LocalSubscription({
      channel,
      listener,
      onReset,
      contexts,
      logger,
      format: this.#local,
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
    if (this.#closing !== undefined) throw new ClosedError('realtime');
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
    if (this.#closing !== undefined) throw new ClosedError('realtime');
    assertChannelName(channel);
    return presenceOf(
      channel,
      await this.#roster.read(channel, this.#options.presence.maxMembers, { signal }),
    );
  }

  async openSse(outlet: Outlet, session: SseSession): Promise<Connection> {
    const refusal = this.refusal(session.channels, session.presence);
    if (refusal !== undefined) throw refusal;
    if (session.channels.length === 0 || (session.format === 'raw' && session.channels.length > 1)) {
      throw new PandoOptionsError({
        code: 'PANDO_REALTIME_OPTIONS',
        message: `An event stream follows at least one channel, in "raw" format exactly one, got ${session.channels.length}. Use format "envelope" for several.`,
      });
    }
    const channels = [...new Set(session.channels)];
    const connection = new SseConnection(this.#connectionId(), outlet, { ...session, channels }, this.#sse);
    this.#connections.add(connection);
    if (channels.some(isPresenceChannel)) this.#roster.wake();
    connection.open(session.lastEventId);
    const { presence } = session;
    if (presence !== undefined && this.#connections.has(connection)) {
      for (const channel of presence.channels ?? channels)
        if (!isPresenceChannel(channel)) this.#roster.enter(connection, channel, presence);
    }
    return connection;
  }

  openSocket<Identity>(socket: Socket, session: SocketSession<Identity>): SocketConnection {
    this.#checkChannels(session.channels ?? []);
    const connection = new WsConnection(this.#connectionId(), socket, session as SocketSession, this.#ws);
    this.#connections.add(connection);
    if (this.isDraining) connection.close(closeCodes.restart.code, closeCodes.restart.reason);
    else if (this.#connections.size > this.#options.maxConnections)
      connection.close(closeCodes.full.code, closeCodes.full.reason);
    else connection.open();
    return connection;
  }

  refusal(channels: readonly string[] = [], presence?: StreamPresence): Error | undefined {
    if (this.isDraining) return new RealtimeDrainingError();
    const { maxConnections } = this.#options;
    if (this.#connections.size >= maxConnections) return new RealtimeFullError(maxConnections);
    try {
      this.#checkChannels(channels);
      if (presence === undefined) return undefined;
      this.#checkChannels(presence.channels ?? []);
      memberOf(presence, this.#options.presence.maxInfoBytes);
      return undefined;
    } catch (cause) {
      return cause as Error;
    }
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
        run: async () =>
          this.#broker.isLive
            ? { status: 'healthy' }
            : {
                status: 'degraded',
                detail: 'announcements may be late: connections stay, and catch up afterwards',
              },
      },
    ];
  }

  #drain(signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#kernel;
    const leave = (connection: SseConnection | WsConnection) => connection.leave();
    return spread([...this.#connections], leave, { clock, durationMs: this.#options.drainMs, signal });
  }

  async #close(): Promise<void> {
    for (const connection of [...this.#connections]) connection.close();
    for (const subscription of [...this.#subscriptions]) await subscription.close();
    this.#heldEvents.close();
    this.#publisher.close();
    await this.#roster.close();
    await this.#hub.close();
    await this.#broker.close();
    for (const gauge of this.#gauges) gauge[Symbol.dispose]();
  }

  /** What the event's receivers will have seen: what this request wrote, and what the caller adds. */
  #tokenOf(given: Token = emptyToken): Token | undefined {
    const token = mergeTokens(this.#kernel.contexts.current().written, given);
    return this.#tokens === undefined || isEmptyToken(token) ? undefined : token;
  }

  #checkChannels(channels: readonly string[]): void {
    for (const channel of channels) assertFollowableName(channel);
    const { maxChannelsPerConnection } = this.#options;
    if (channels.length > maxChannelsPerConnection)
      throw new TooManyChannelsError(channels.length, maxChannelsPerConnection);
  }

  #connectionId(): string {
    return `${this.#broker.self}.${(++this.#opened).toString(36)}`;
  }
}
