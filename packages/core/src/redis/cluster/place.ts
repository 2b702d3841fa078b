import { abortable, deadline, type Signalled } from '../../kernel/abort.js';
import { ClosedError } from '../../kernel/errors.js';
import type { Events } from '../../kernel/events.js';
import type { Kernel } from '../../kernel/kernel.js';
import { epochArguments, epochScript } from '../epoch.js';
import { commandError, isMoved, mayHaveMoved, RedisReplyError, RedisUnavailableError } from '../errors.js';
import { type Listener, Listeners } from '../listeners.js';
import type {
  RedisArgument,
  RedisCallOptions,
  RedisCommand,
  RedisCopies,
  RedisEvents,
  RedisPlace,
  RedisScript,
  RedisSubscription,
} from '../ports.js';
import { slotOf } from '../slot.js';
import type { ClusterNode } from './node.js';
import { Residence } from './residence.js';
import type { NodeLife } from './resident.js';

/** What a place stands on. */
export interface PlaceInit {
  readonly kernel: Kernel;
  readonly instanceId: string;
  /** How long the first use waits for the place to be live. */
  readonly openTimeoutMs: number;
  /** The place is used for the first time: gives it a node. */
  use(place: ClusterPlace): void;
  /** The slot may be elsewhere by now. */
  doubt(): void;
}

/** One slot of a cluster: commands and channels go wherever it lives. */
export class ClusterPlace implements RedisPlace {
  readonly tag: string;
  readonly slot: number;
  readonly isSharded = true;
  readonly epochKey: string;
  readonly events: Events<RedisEvents>;
  /** Where it lives. */
  readonly residence: Residence;
  readonly #init: PlaceInit;
  readonly #listeners: Listeners;
  readonly #closing = new AbortController();
  #opened: Promise<void> | undefined;

  constructor(tag: string, init: PlaceInit) {
    const { kernel, instanceId } = init;
    this.tag = tag;
    this.slot = slotOf(tag);
    this.epochKey = this.key('epoch');
    this.#init = init;
    this.#listeners = new Listeners(
      { ask: (name) => this.#ask(name), drop: (name) => this.#drop(name) },
      kernel.logger,
    );
    this.residence = new Residence({
      kernel,
      tag,
      epochKey: this.epochKey,
      probeChannel: this.key('probe', instanceId),
      listeners: this.#listeners,
      doubt: () => init.doubt(),
    });
    this.events = this.residence.events;
  }

  get isUp(): boolean {
    return this.residence.life !== undefined;
  }

  get isLive(): boolean {
    return this.residence.isLive;
  }

  get epoch(): string | undefined {
    return this.residence.epoch;
  }

  key(room: string, ...parts: readonly string[]): string {
    return `pando:{${this.tag}}:${[room, ...parts].join(':')}`;
  }

  call(command: RedisCommand, options?: RedisCallOptions): Promise<unknown> {
    return this.#send(({ commands }) => commands.call(command, options), options);
  }

  batch(commands: readonly RedisCommand[], options?: RedisCallOptions): Promise<readonly unknown[]> {
    return this.#send((life) => life.commands.batch(commands, options), options);
  }

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    options?: RedisCallOptions,
  ): Promise<unknown> {
    return this.#send(({ scripts }) => scripts.run(script, keys, args, options), options);
  }

  runConfirmed(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    copies: RedisCopies,
    options?: RedisCallOptions,
  ): Promise<unknown> {
    const confirm = (life: NodeLife, node: ClusterNode) =>
      node.runConfirmed(life, script, keys, args, copies, options);
    return this.#send(confirm, options);
  }

  together(send: () => void): void {
    const { life } = this.residence;
    if (life === undefined) send();
    else life.commands.together(send);
  }

  async publish(channel: string, payload: Buffer | string, options?: Signalled): Promise<void> {
    await this.call(['SPUBLISH', channel, payload], options);
  }

  async subscribe(name: string, listener: Listener, { signal }: Signalled = {}): Promise<RedisSubscription> {
    await this.#open(signal);
    return await this.#listeners.join(name, listener, signal);
  }

  async renewEpoch(seen: string, options?: Signalled): Promise<string> {
    const args = epochArguments(seen, 'SPUBLISH');
    const epoch = String(await this.run(epochScript, [this.epochKey], args, options));
    if (epoch !== this.epoch) this.residence.adopt(epoch);
    return epoch;
  }

  close(): void {
    const cause = new ClosedError('The Redis connection');
    this.#closing.abort(cause);
    this.residence.close(cause);
    this.#listeners.clear();
  }

  async #send<T>(
    send: (life: NodeLife, node: ClusterNode) => Promise<T>,
    { signal }: Signalled = {},
  ): Promise<T> {
    const { residence } = this;
    if (residence.life === undefined) {
      await this.#open(signal);
      if (residence.life === undefined) await abortable(residence.verify(), signal);
    }
    const { life, node } = residence;
    if (life === undefined || node === undefined) throw residence.refusal();
    let reply: T;
    try {
      reply = await send(life, node);
    } catch (cause) {
      if (life === residence.life) this.#suspect((cause as Error).cause);
      throw cause;
    }
    // A failover may have lost what was answered, and its epoch tells so: nobody may act on the reply before.
    if (life === residence.life) return reply;
    throw new RedisUnavailableError(
      `The slot of "${this.tag}" moved while a command was on its way. It may be carried out or not; try again later.`,
      { sent: true },
    );
  }

  /** Whether what the server replied speaks against it. */
  #suspect(reply: unknown): void {
    if (isMoved(reply)) this.residence.distrust(reply);
    else if (mayHaveMoved(reply)) this.#init.doubt();
  }

  /** The first use waits for the place to be live, a bounded time. */
  async #open(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    this.#opened ??= this.#begin();
    await abortable(this.#opened, signal);
  }

  async #begin(): Promise<void> {
    const { kernel, openTimeoutMs, use } = this.#init;
    const late = () => new Error(`not live within ${openTimeoutMs} ms`);
    const limit = deadline(kernel.clock, openTimeoutMs, late, this.#closing.signal);
    let listening: Disposable | undefined;
    const live = new Promise<void>((resolve) => {
      listening = this.events.on('live', () => resolve());
    });
    use(this);
    this.residence.start();
    await abortable(live, limit.signal).catch(() => undefined); // it goes on; whoever calls meanwhile is told why not
    listening?.[Symbol.dispose]();
    limit[Symbol.dispose]();
  }

  /** Asks for one channel on a connection in use. One that ends meanwhile is no failure: its successor asks for all. */
  async #ask(name: string): Promise<void> {
    const { node, client } = this.residence;
    if (node === undefined || client === undefined) return;
    try {
      await node.subscriber.ask(client, [name]);
    } catch (cause) {
      const error = commandError(node.server, 'SSUBSCRIBE', cause);
      if (error instanceof RedisReplyError) throw error;
      if (client === this.residence.client) this.#suspect(cause);
    }
  }

  async #drop(name: string): Promise<void> {
    const { node, client } = this.residence;
    if (client !== undefined) await node?.subscriber.drop(client, [name]);
  }
}
