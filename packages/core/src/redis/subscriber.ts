import { abortable, deadline, type Signalled } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import { ClosedError } from '../kernel/errors.js';
import type { Logger } from '../kernel/logger.js';
import type { CounterCell, Meter } from '../kernel/meter.js';
import type { RedisClient } from './client.js';
import { commandError, RedisReplyError } from './errors.js';
import { Link } from './link.js';
import { redisInstruments } from './metrics.js';
import type { RedisSubscription } from './ports.js';

/** Looks per probe interval: more looks notice silence sooner. */
const TICKS = 2;
/** Channels per SUBSCRIBE when all are subscribed anew. */
const CHUNK = 1_000;

type Listener = (payload: Buffer) => void;

/** What the connection for announcements stands on, and who hears of it. */
export interface SubscriberInit {
  readonly clock: Clock;
  readonly meter: Meter;
  readonly logger: Logger;
  readonly server: string;
  readonly attemptTimeoutMs: number;
  readonly ackTimeoutMs: number;
  readonly probeIntervalMs: number;
  /** This instance's own channel, for probes. */
  readonly probeChannel: string;
  /** A new client each time. */
  open(): Promise<RedisClient>;
  /** Whether probes can be published. */
  canPublish(): boolean;
  /** The path that everybody's announcements take. */
  publish(channel: string, payload: string): Promise<unknown>;
  live(): void;
  blind(cause: unknown): void;
  failed(cause: unknown, refused: boolean): void;
}

/** An announcement to ourselves whose arrival proves the whole way. */
interface Probe {
  readonly nonce: string;
  state: 'unsent' | 'sending' | 'sent';
  ticks: number;
}

/**
 * The connection for announcements.
 *
 * It counts as live only after every channel was acknowledged *and* an announcement of our own came
 * back: acknowledgements alone could come from a server that nobody publishes to any more. Silence is
 * broken by such probes, and counted in ticks of a timer: a process that was frozen does not mistake
 * its own absence for the server's.
 */
export class Subscriber {
  readonly #init: SubscriberInit;
  readonly #link: Link;
  readonly #channels = new Map<string, Channel>();
  readonly #ticker: Disposable;
  readonly #connects: CounterCell;
  #client: RedisClient | undefined;
  #probe: Probe | undefined;
  #probes = 0;
  #silentTicks = 0;
  #heardAt = Number.NEGATIVE_INFINITY;
  #live = false;
  #closed = false;

  constructor(init: SubscriberInit) {
    this.#init = init;
    this.#connects = init.meter.counter(redisInstruments.connects, { connection: 'subscriber' });
    this.#ticker = init.clock.every(init.probeIntervalMs / TICKS, () => this.#tick());
    this.#link = new Link({
      clock: init.clock,
      attemptTimeoutMs: init.attemptTimeoutMs,
      open: () => init.open(),
      ready: (client) => this.#ready(client as RedisClient),
      ended: (cause) => this.#ended(cause),
      failed: (cause, refused) => {
        this.#client = undefined;
        init.failed(cause, refused);
      },
    });
  }

  get isLive(): boolean {
    return this.#live;
  }

  get heardAt(): number {
    return this.#heardAt;
  }

  start(): void {
    this.#link.start();
  }

  /** The master is at this address now: leaves any other. */
  follow(host: string, port: number): void {
    this.#link.follow(host, port);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#live = false;
    this.#ticker[Symbol.dispose]();
    this.#channels.clear();
    await this.#link.close();
  }

  /** Demands proof that what is published now arrives here; `distrust` until then, when another server took over. */
  prove(distrust?: Error): void {
    if (distrust !== undefined) this.#lose(distrust);
    if (this.#client === undefined) return;
    this.#probe = { nonce: String(++this.#probes), state: 'unsent', ticks: 0 };
    this.#sendProbe(this.#probe);
  }

  async subscribe(name: string, listener: Listener, { signal }: Signalled = {}): Promise<RedisSubscription> {
    signal?.throwIfAborted();
    if (this.#closed) throw new ClosedError('The Redis connection');
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new Channel();
      this.#channels.set(name, channel);
      if (this.#client !== undefined) channel.acknowledged = this.#ask(this.#client, name);
    }
    const subscription = new Subscription(listener, (self) => this.#leave(name, channel, self));
    channel.subscriptions.add(subscription);
    try {
      await abortable(channel.acknowledged, signal);
    } catch (cause) {
      await subscription.close();
      throw cause;
    }
    return subscription;
  }

  async #leave(name: string, channel: Channel, subscription: Subscription): Promise<void> {
    channel.subscriptions.delete(subscription);
    if (channel.subscriptions.size > 0 || this.#channels.get(name) !== channel) return;
    this.#channels.delete(name);
    // A later SUBSCRIBE travels behind this on the same connection, so nothing needs to wait for it.
    await this.#client?.unsubscribe(name).catch(() => undefined);
  }

  /** Asks for one channel on a connection in use. A connection that ends meanwhile is no failure: its successor asks for all. */
  async #ask(client: RedisClient, name: string): Promise<void> {
    const { clock, ackTimeoutMs, server } = this.#init;
    const overdue = () => new Error(`no acknowledgement within ${ackTimeoutMs} ms`);
    const limit = deadline(clock, ackTimeoutMs, overdue);
    try {
      await abortable(client.subscribe(name), limit.signal);
    } catch (cause) {
      const error = commandError(server, 'SUBSCRIBE', cause);
      if (error instanceof RedisReplyError) throw error;
      if (client === this.#client) this.#link.renew(cause);
    } finally {
      limit[Symbol.dispose]();
    }
  }

  async #ready(client: RedisClient): Promise<void> {
    client.on('messageBuffer', (name: Buffer, payload: Buffer) => {
      if (client === this.#client) this.#deliver(name.toString(), payload);
    });
    this.#client = client; // who subscribes from now on asks for himself
    const names = [this.#init.probeChannel, ...this.#channels.keys()];
    const acknowledgements: Promise<unknown>[] = [];
    for (let from = 0; from < names.length; from += CHUNK) {
      acknowledgements.push(client.subscribe(...names.slice(from, from + CHUNK)));
    }
    await Promise.all(acknowledgements);
    this.#connects.add();
    this.#silentTicks = 0;
    this.prove();
  }

  #ended(cause: unknown): void {
    this.#client = undefined;
    this.#probe = undefined;
    this.#lose(cause);
  }

  #lose(cause: unknown): void {
    if (!this.#live) return;
    this.#live = false;
    this.#init.blind(cause);
  }

  #deliver(name: string, payload: Buffer): void {
    this.#silentTicks = 0;
    this.#heardAt = this.#init.clock.monotonic();
    if (name === this.#init.probeChannel) this.#proven(payload.toString());
    for (const subscription of this.#channels.get(name)?.subscriptions ?? []) {
      try {
        subscription.listener(payload);
      } catch (cause) {
        this.#init.logger.error({ err: cause, channel: name }, 'a listener of a Redis channel threw');
      }
    }
  }

  #proven(nonce: string): void {
    if (this.#probe?.nonce !== nonce) return; // of an earlier probe: proves nothing about the present publisher
    this.#probe = undefined;
    if (this.#live || this.#closed) return;
    this.#live = true;
    this.#init.live();
  }

  #tick(): void {
    if (this.#client === undefined) return;
    this.#silentTicks++;
    const silenceMs = (this.#silentTicks / TICKS) * this.#init.probeIntervalMs;
    if (this.#live && this.#silentTicks >= 2 * TICKS) {
      this.#link.renew(new Error(`no announcement arrived for ${silenceMs} ms`));
    } else if (this.#probe === undefined) {
      if (this.#silentTicks >= TICKS) this.prove();
    } else if (this.#probe.state === 'unsent') {
      this.#sendProbe(this.#probe);
    } else if (this.#probe.state === 'sent' && ++this.#probe.ticks > TICKS) {
      this.#link.renew(new Error('an announcement to ourselves did not arrive'));
    }
  }

  #sendProbe(probe: Probe): void {
    if (!this.#init.canPublish()) return;
    probe.state = 'sending';
    this.#init.publish(this.#init.probeChannel, probe.nonce).then(
      () => {
        probe.state = 'sent';
      },
      () => {
        probe.state = 'unsent';
      },
    );
  }
}

/** One channel and who listens to it. */
class Channel {
  readonly subscriptions = new Set<Subscription>();
  /** While there is no connection: at once, for all channels are asked for before the next is live. */
  acknowledged: Promise<void> = Promise.resolve();
}

class Subscription implements RedisSubscription {
  readonly listener: Listener;
  readonly #leave: (self: Subscription) => Promise<void>;

  constructor(listener: Listener, leave: (self: Subscription) => Promise<void>) {
    this.listener = listener;
    this.#leave = leave;
  }

  close(): Promise<void> {
    return this.#leave(this);
  }
}
