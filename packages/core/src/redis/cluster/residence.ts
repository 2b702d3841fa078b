import { sleep } from '../../kernel/clock.js';
import { messageOf } from '../../kernel/errors.js';
import { Events } from '../../kernel/events.js';
import type { Kernel } from '../../kernel/kernel.js';
import type { RedisClient } from '../client.js';
import { epochArguments, epochScript } from '../epoch.js';
import { RedisUnavailableError } from '../errors.js';
import type { Listeners } from '../listeners.js';
import type { RedisEvents } from '../ports.js';
import type { ClusterNode } from './node.js';
import type { NodeLife, Resident } from './resident.js';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/** Whose residence it is, and who knows about nodes. */
export interface ResidenceInit {
  readonly kernel: Kernel;
  readonly tag: string;
  readonly epochKey: string;
  /** This instance's own channel, for probes. */
  readonly probeChannel: string;
  readonly listeners: Listeners;
  /** The slot may be elsewhere by now. */
  doubt(): void;
}

/**
 * Where a place lives: the node that holds its slot, and how far it has settled down there.
 *
 * Commands go to the node once it has been verified, and anew on each connection to it. The place is live once the node has
 * acknowledged its channels, has then proven by a write that it is the slot's master (a replica would acknowledge, too), and an
 * announcement of our own has come back. Whatever speaks against the node begins all that anew, on the node that the cluster
 * names then.
 */
export class Residence implements Resident {
  readonly tag: string;
  readonly epochKey: string;
  readonly probeChannel: string;
  readonly events: Events<RedisEvents>;
  readonly #init: ResidenceInit;
  readonly #closing = new AbortController();
  #isUsed = false;
  #node: ClusterNode | undefined;
  #life: NodeLife | undefined;
  #verifying: Promise<void> | undefined;
  #client: RedisClient | undefined;
  #isSubscribed = false;
  #proving: { readonly probe: number; proven(): void; failed(cause: unknown): void } | undefined;
  #isSettling = false;
  #isLive = false;
  #epoch: string | undefined;
  #lastFailure: unknown;

  constructor(init: ResidenceInit) {
    this.tag = init.tag;
    this.epochKey = init.epochKey;
    this.probeChannel = init.probeChannel;
    this.#init = init;
    const { logger } = init.kernel;
    this.events = new Events((cause) => logger.error({ err: cause }, 'a listener of Redis events threw'));
  }

  get node(): ClusterNode | undefined {
    return this.#node;
  }

  /** The life of the node's connection on which the place was verified: where commands go. */
  get life(): NodeLife | undefined {
    return this.#life;
  }

  /** Where channels are asked for: the connection on which all were. */
  get client(): RedisClient | undefined {
    return this.#client;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** Begins to settle down on whatever node it is given. */
  start(): void {
    this.#isUsed = true;
    this.#settle();
  }

  close(cause: Error): void {
    this.#closing.abort(cause);
    this.moveTo(undefined, cause);
  }

  /** The cluster names another node for the slot, or none. */
  moveTo(node: ClusterNode | undefined, cause: unknown): void {
    const [before, client] = [this.#node, this.#client];
    this.#node = node;
    before?.dismiss(this);
    if (before !== undefined) {
      if (client !== undefined) void before.subscriber.drop(client, [...this.#channels(), this.probeChannel]);
      this.nodeDown(cause);
      this.nodeBlind(cause);
    }
    node?.admit(this);
    this.#settle();
  }

  /** Asks the node whether it still is the slot's master, for there is some doubt. */
  confirm(): void {
    this.verify().catch((cause: unknown) => this.distrust(cause));
  }

  /** Something speaks against the node. */
  distrust(cause: unknown): void {
    this.nodeDown(cause);
    this.nodeBlind(cause);
    this.#init.doubt();
  }

  /** Learns the epoch on the present connection: by a write, so that only the slot's master answers. */
  verify(): Promise<void> {
    this.#verifying ??= this.#readEpoch().finally(() => {
      this.#verifying = undefined;
    });
    return this.#verifying;
  }

  /** A fresh connection is verified; or the epoch changed under one. */
  adopt(epoch: string): void {
    const previousEpoch = this.#epoch;
    if (previousEpoch !== undefined && previousEpoch !== epoch) {
      this.#lose(new Error('the data set behind the connection is another one'));
    }
    this.#epoch = epoch;
    this.events.emit('up', { epoch, previousEpoch });
    if (!this.#isLive) this.#settle();
  }

  /** Why commands are not sent. */
  refusal(): Error {
    const { signal } = this.#closing;
    if (signal.aborted) return signal.reason as Error;
    const cause = this.#lastFailure;
    const why = cause === undefined ? 'not connected yet' : messageOf(cause);
    return new RedisUnavailableError(
      `The cluster node with the slot of "${this.tag}" is away (${why}); nothing was sent. Connecting goes on; try again later.`,
      { cause },
    );
  }

  deliver(channel: string, payload: Buffer): void {
    if (channel === this.epochKey) this.#hearEpoch(payload.toString());
    else this.#init.listeners.deliver(channel, payload);
  }

  nodeUp(): void {
    if (this.#isLive) this.confirm();
    else this.#settle();
  }

  nodeDown(cause: unknown): void {
    this.#lastFailure = cause;
    this.#proving?.failed(cause);
    if (this.#life === undefined) return;
    this.#life = undefined;
    this.events.emit('down', { cause });
  }

  nodeListens(): void {
    this.#settle();
  }

  nodeBlind(cause: unknown): void {
    this.#client = undefined;
    this.#isSubscribed = false;
    this.#lose(cause);
    this.#settle();
  }

  nodeProven(probe: number): void {
    if (this.#proving !== undefined && this.#proving.probe <= probe) this.#proving.proven();
  }

  async #readEpoch(): Promise<void> {
    const node = this.#node;
    const life = node?.life;
    if (node === undefined || life === undefined) throw this.refusal();
    const reply = await life.scripts.run(epochScript, [this.epochKey], epochArguments('', 'SPUBLISH'));
    if (this.#node !== node || node.life !== life) throw this.refusal();
    const epoch = String(reply);
    if (this.#life === life && epoch === this.#epoch) return;
    this.#life = life;
    this.adopt(epoch);
  }

  /** Somebody says that another epoch has begun: ask, for announcements are hints. */
  #hearEpoch(epoch: string): void {
    if (epoch === this.#epoch || this.#life === undefined) return;
    const before = this.#verifying ?? Promise.resolve(); // it may have been answered before the other epoch began
    before.then(() => this.verify()).catch(() => undefined);
  }

  #lose(cause: unknown): void {
    this.#lastFailure = cause;
    this.#proving?.failed(cause);
    if (!this.#isLive) return;
    this.#isLive = false;
    this.events.emit('blind', { cause });
  }

  #settle(): void {
    if (this.#isSettling || this.#isLive || !this.#isUsed) return;
    this.#isSettling = true;
    void this.#settleDown();
  }

  /** Until the place is live; or until the node has both connections, and says so. */
  async #settleDown(): Promise<void> {
    const { signal } = this.#closing;
    try {
      for (let failures = 0; !this.#isLive && !signal.aborted; failures++) {
        const node = this.#node;
        const client = node?.subscriber.client;
        if (node !== undefined && (client === undefined || node.life === undefined)) return;
        await this.#settleOn(node, client).catch((cause: unknown) => this.#recover(cause, failures));
      }
    } finally {
      this.#isSettling = false; // at once: who calls in the next moment must be heard
    }
  }

  async #settleOn(node: ClusterNode | undefined, client: RedisClient | undefined): Promise<void> {
    if (node === undefined || client === undefined) throw this.refusal();
    this.#client = client; // who subscribes from now on asks for himself
    await node.subscriber.ask(client, this.#channels());
    if (this.#client !== client) throw this.refusal();
    this.#isSubscribed = true;
    await this.verify();
    const probe = await node.subscriber.prove(this, client);
    await new Promise<void>((proven, failed) => {
      this.#proving = { probe, proven, failed };
    }).finally(() => {
      this.#proving = undefined;
    });
    if (this.#client !== client || this.#life === undefined) throw this.refusal();
    this.#isLive = true;
    this.events.emit('live', {});
  }

  async #recover(cause: unknown, failures: number): Promise<void> {
    const { clock, logger } = this.#init.kernel;
    const { signal } = this.#closing;
    if (signal.aborted) return;
    logger.debug({ err: cause }, `the place "${this.tag}" is not live yet: ${messageOf(cause)}`);
    this.#init.doubt();
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
    await sleep(clock, pauseMs * (0.75 + Math.random() / 2), { signal }).catch(() => undefined);
  }

  #channels(): readonly string[] {
    return [this.epochKey, ...this.#init.listeners.names()];
  }
}
