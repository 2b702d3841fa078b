import { abortable, deadline, type Signalled } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import { ClosedError } from '../kernel/errors.js';
import type { Logger } from '../kernel/logger.js';
import type { CounterCell, Meter } from '../kernel/meter.js';
import type { RedisClient } from './client.js';
import { commandError, RedisReplyError } from './errors.js';
import { Link } from './link.js';
import { type Listener, Listeners } from './listeners.js';
import { redisInstruments } from './metrics.js';
import type { RedisSubscription } from './ports.js';
import { Proof } from './proof.js';

/** Channels per SUBSCRIBE when all are subscribed anew. */
const CHUNK = 1_000;

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

/**
 * The connection for announcements.
 *
 * It counts as live only after every channel was acknowledged *and* an announcement of our own came
 * back: acknowledgements alone could come from a server that nobody publishes to any more.
 */
export class Subscriber {
  readonly #init: SubscriberInit;
  readonly #link: Link;
  readonly #listeners: Listeners;
  readonly #proof: Proof;
  readonly #connects: CounterCell;
  #client: RedisClient | undefined;
  #live = false;
  #closed = false;

  constructor(init: SubscriberInit) {
    this.#init = init;
    this.#connects = init.meter.counter(redisInstruments.connects, { connection: 'subscriber' });
    this.#listeners = new Listeners(
      { ask: (name) => this.#ask(name), drop: (name) => this.#drop(name) },
      init.logger,
    );
    this.#link = new Link({
      clock: init.clock,
      attemptTimeoutMs: init.attemptTimeoutMs,
      open: () => init.open(),
      ready: (client) => this.#ready(client as RedisClient),
      ended: (cause) => this.#ended(cause),
      failed: (cause, refused) => {
        this.#client = undefined;
        this.#proof.end();
        init.failed(cause, refused);
      },
    });
    this.#proof = new Proof({
      clock: init.clock,
      probeIntervalMs: init.probeIntervalMs,
      canPublish: () => init.canPublish(),
      publish: (probe) => init.publish(init.probeChannel, probe),
      proven: () => this.#proven(),
      dead: (cause) => this.#link.renew(cause),
    });
  }

  get isLive(): boolean {
    return this.#live;
  }

  get heardAt(): number {
    return this.#proof.heardAt;
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
    this.#proof[Symbol.dispose]();
    this.#listeners.clear();
    await this.#link.close();
  }

  /** Demands proof that what is published now arrives here; `distrust` until then, when another server took over. */
  prove(distrust?: Error): void {
    if (distrust !== undefined) {
      this.#proof.doubt();
      this.#lose(distrust);
    }
    if (this.#client !== undefined) this.#proof.prove();
  }

  async subscribe(name: string, listener: Listener, { signal }: Signalled = {}): Promise<RedisSubscription> {
    signal?.throwIfAborted();
    if (this.#closed) throw new ClosedError('The Redis connection');
    return await this.#listeners.join(name, listener, signal);
  }

  /** Asks for one channel on a connection in use. A connection that ends meanwhile is no failure: its successor asks for all. */
  async #ask(name: string): Promise<void> {
    const client = this.#client;
    if (client === undefined) return; // all channels are asked for before the next connection is live
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

  /** A later SUBSCRIBE travels behind this on the same connection, so nothing needs to wait for it. */
  async #drop(name: string): Promise<void> {
    await this.#client?.unsubscribe(name).catch(() => undefined);
  }

  async #ready(client: RedisClient): Promise<void> {
    client.on('messageBuffer', (name: Buffer, payload: Buffer) => {
      if (client === this.#client) this.#deliver(name.toString(), payload);
    });
    this.#client = client; // who subscribes from now on asks for himself
    const names = [this.#init.probeChannel, ...this.#listeners.names()];
    const acknowledgements: Promise<unknown>[] = [];
    for (let from = 0; from < names.length; from += CHUNK) {
      acknowledgements.push(client.subscribe(...names.slice(from, from + CHUNK)));
    }
    await Promise.all(acknowledgements);
    this.#connects.add();
    this.#proof.begin();
    this.prove();
  }

  #ended(cause: unknown): void {
    this.#client = undefined;
    this.#proof.end();
    this.#lose(cause);
  }

  #lose(cause: unknown): void {
    if (!this.#live) return;
    this.#live = false;
    this.#init.blind(cause);
  }

  #deliver(name: string, payload: Buffer): void {
    this.#proof.heard();
    if (name === this.#init.probeChannel) this.#proof.heardProbe(payload.toString());
    this.#listeners.deliver(name, payload);
  }

  #proven(): void {
    if (this.#live || this.#closed) return;
    this.#live = true;
    this.#init.live();
  }
}
