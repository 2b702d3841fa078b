import { abortable, deadline } from '../../kernel/abort.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { CounterCell } from '../../kernel/meter.js';
import type { RedisClient } from '../client.js';
import { isReply } from '../errors.js';
import { Link } from '../link.js';
import { redisInstruments } from '../metrics.js';
import { Proof } from '../proof.js';
import type { NodeTimes, Resident } from './resident.js';

/** Channels per SSUBSCRIBE, all of one slot. */
const CHUNK = 1_000;

/** What the connection for announcements of a node stands on, and who hears of it. */
export interface NodeSubscriberInit {
  readonly kernel: Kernel;
  readonly times: NodeTimes;
  readonly server: string;
  /** Places by their tag. */
  readonly residents: ReadonlyMap<string, Resident>;
  /** A new client each time. */
  open(): Promise<RedisClient>;
  /** Whether probes can be published. */
  canPublish(): boolean;
  publish(channel: string, payload: string): Promise<unknown>;
  troubled(cause: unknown): void;
  failed(cause: unknown, refused: boolean): void;
}

/** The place in whose slot probes are published. */
interface Witness {
  readonly resident: Resident;
  /** Settles when the channel for probes is acknowledged, or refused. */
  readonly ready: Promise<void>;
}

/**
 * The connection for announcements of one node, which all places there share.
 *
 * A server says unasked that it has unsubscribed the channels of a slot that left. The library tells that there was such a
 * message, and keeps what is subscribed: what is missing there names the place.
 */
export class NodeSubscriber {
  readonly #init: NodeSubscriberInit;
  readonly #link: Link;
  readonly #proof: Proof;
  readonly #connects: CounterCell;
  #client: RedisClient | undefined;
  #witness: Witness | undefined;

  constructor(init: NodeSubscriberInit) {
    const { clock, meter } = init.kernel;
    this.#init = init;
    this.#connects = meter.counter(redisInstruments.connects, { connection: 'subscriber' });
    this.#link = new Link({
      clock,
      attemptTimeoutMs: init.times.connectTimeoutMs,
      open: () => init.open(),
      ready: (client) => this.#ready(client as RedisClient),
      ended: (cause) => this.#ended(cause),
      failed: (cause, refused) => init.failed(cause, refused),
    });
    this.#proof = new Proof({
      clock,
      probeIntervalMs: init.times.probeIntervalMs,
      canPublish: () => this.#witness !== undefined && init.canPublish(),
      publish: (probe) => init.publish(this.#witness?.resident.probeChannel ?? '', probe),
      proven: (probe) => {
        for (const resident of init.residents.values()) resident.nodeProven(probe);
      },
      dead: (cause) => this.#link.renew(cause),
    });
  }

  /** The present connection; undefined while there is none. */
  get client(): RedisClient | undefined {
    return this.#client;
  }

  start(): void {
    this.#link.start();
  }

  async close(): Promise<void> {
    this.#client = undefined;
    this.#proof[Symbol.dispose]();
    await this.#link.close();
  }

  /** Subscribes to channels of one slot. Rejects with what the server or the connection said. */
  async ask(client: RedisClient, names: readonly string[]): Promise<void> {
    const { kernel, times } = this.#init;
    const overdue = () => new Error(`no acknowledgement within ${times.connectTimeoutMs} ms`);
    const limit = deadline(kernel.clock, times.connectTimeoutMs, overdue);
    try {
      const acknowledgements: Promise<unknown>[] = [];
      for (let from = 0; from < names.length; from += CHUNK) {
        acknowledgements.push(client.ssubscribe(...names.slice(from, from + CHUNK)));
      }
      await abortable(Promise.all(acknowledgements), limit.signal);
    } catch (cause) {
      if (client === this.#client && !isReply(cause)) this.#link.renew(cause);
      throw cause;
    } finally {
      limit[Symbol.dispose]();
    }
  }

  /** Unsubscribes; the server's word on it is of no interest: it may have lost the slot. */
  async drop(client: RedisClient, names: readonly string[]): Promise<void> {
    if (client === this.#client) await client.sunsubscribe(...names).catch(() => undefined);
  }

  /** Demands proof that what is published now on the node arrives; gives the number of its probe. */
  async prove(resident: Resident, client: RedisClient): Promise<number> {
    this.#witness ??= this.#elect(resident, client);
    await this.#witness.ready;
    return this.#proof.prove();
  }

  /** The place has left, or its channels have: probes need another slot. */
  forget(resident: Resident): void {
    if (this.#witness?.resident !== resident) return;
    this.#witness = undefined;
    if (this.#client === undefined) return;
    for (const other of this.#init.residents.values()) {
      if (other === resident || !other.isSubscribed) continue;
      this.#witness = this.#elect(other, this.#client);
      return;
    }
  }

  #elect(resident: Resident, client: RedisClient): Witness {
    const ready = this.ask(client, [resident.probeChannel]);
    const witness = { resident, ready };
    ready.catch((cause: unknown) => {
      if (this.#witness !== witness) return;
      resident.nodeBlind(cause);
      this.forget(resident);
    });
    return witness;
  }

  #ready(client: RedisClient): Promise<void> {
    client.on('smessageBuffer', (name: Buffer, payload: Buffer) => {
      if (client === this.#client) this.#deliver(name.toString(), payload);
    });
    // Some versions of the library know such messages, others take them for replies to commands that nobody sent.
    for (const event of ['moved', 'error']) client.on(event, () => this.#look(client));
    this.#client = client;
    this.#connects.add();
    this.#proof.begin();
    for (const resident of this.#init.residents.values()) resident.nodeListens();
    return Promise.resolve();
  }

  #ended(cause: unknown): void {
    this.#client = undefined;
    this.#witness = undefined;
    this.#proof.end();
    for (const resident of this.#init.residents.values()) resident.nodeBlind(cause);
    this.#init.troubled(cause);
  }

  /** Looks whose channels are gone. */
  #look(client: RedisClient): void {
    if (client !== this.#client) return;
    for (const resident of this.#init.residents.values()) {
      if (!resident.isSubscribed || isSubscribed(client, resident.epochKey)) continue;
      resident.nodeBlind(new Error(`${this.#init.server} has given the slot of ${resident.tag} away`));
      this.forget(resident);
    }
  }

  #deliver(channel: string, payload: Buffer): void {
    this.#proof.heard();
    const { residents } = this.#init;
    if (channel === this.#witness?.resident.probeChannel) this.#proof.heardProbe(payload.toString());
    else residents.get(tagOf(channel))?.deliver(channel, payload);
  }
}

function tagOf(channel: string): string {
  const open = channel.indexOf('{');
  return channel.slice(open + 1, channel.indexOf('}', open));
}

/** Whether the library takes the channel for subscribed; not if it keeps that in a way we do not know. */
function isSubscribed(client: RedisClient, channel: string): boolean {
  const { condition } = client as unknown as LibraryInternals;
  return condition?.subscriber ? condition.subscriber.set?.ssubscribe?.[channel] === true : false;
}

interface LibraryInternals {
  readonly condition?: {
    readonly subscriber?: false | { readonly set?: { readonly ssubscribe?: Record<string, boolean> } };
  };
}
