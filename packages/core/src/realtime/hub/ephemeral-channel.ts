import { messageOf } from '../../kernel/errors.js';
import type { ChannelPlan } from '../channel-plans.js';
import type { Announcement, BrokerSubscription } from '../ports.js';
import { originId, unkept } from '../position.js';
import type { ChannelEnvironment } from './channel.js';
import { nothingSeen } from './channel-token.js';
import { Entry } from './entry.js';
import { FanOut } from './fan-out.js';
import type { Reader, ReaderHost } from './reader.js';

const nowhere = Object.freeze({ id: originId, index: undefined, lineage: unkept });

/** What an ephemeral channel shares with all others of its hub. */
export interface EphemeralEnvironment
  extends Pick<ChannelEnvironment, 'broker' | 'metrics' | 'logger' | 'stretchBytes'> {
  /** Asks for {@link EphemeralChannel.serve} at the end of this turn. */
  onDirty(channel: EphemeralChannel): void;
  /** The announcements could not be asked for: asks for {@link EphemeralChannel.retry} later. */
  onStuck(channel: EphemeralChannel): void;
  onUsed(channel: EphemeralChannel): void;
  onUnused(channel: EphemeralChannel): void;
}

/**
 * A channel of which nothing is kept: what is announced goes to whoever reads it then, and can take it.
 *
 * There are no positions, so nothing is resumed, healed or reset.
 */
export class EphemeralChannel implements ReaderHost {
  readonly name: string;
  readonly #env: EphemeralEnvironment;
  readonly #plan: Pick<ChannelPlan, 'isPlain'>;
  readonly #fanOut: FanOut;
  /** Until announcements arrive. */
  readonly #waiting = new Set<Reader>();
  #subscription: BrokerSubscription | undefined;
  #isSubscribing = false;
  #readers = 0;
  /** Whether the hub knows that there is something to give. */
  #isDirty = false;
  #isClosed = false;

  constructor(name: string, env: EphemeralEnvironment, plan: Pick<ChannelPlan, 'isPlain'>) {
    this.name = name;
    this.#env = env;
    this.#plan = plan;
    this.#fanOut = new FanOut(nowhere, {
      maxBytes: env.stretchBytes,
      isLatest: false,
      onFull: (_reader, _at, { entries }) => {
        env.metrics.dropped.add(entries.length);
        return 'stays';
      },
    });
  }

  positionOf(): undefined {
    return undefined;
  }

  add(reader: Reader): void {
    if (this.#readers++ === 0) this.#env.onUsed(this);
    this.advance(reader);
  }

  remove(reader: Reader): void {
    this.#fanOut.detach(reader);
    this.#waiting.delete(reader);
    if (--this.#readers === 0) this.#env.onUnused(this);
  }

  advance(reader: Reader): void {
    if (reader.isClosed) return;
    if (this.#subscription !== undefined) {
      this.#fanOut.seal(); // what came before it is not for it
      this.#attach(reader);
      return;
    }
    reader.state = 'waiting';
    this.#waiting.add(reader);
    if (!this.#isSubscribing) void this.#subscribe();
  }

  retry(): void {
    if (this.#subscription === undefined && !this.#isSubscribing && !this.#isClosed) void this.#subscribe();
  }

  /** Gives attached readers what was announced since the last time, as {@link FanOut.serve} does. */
  serve(count: number): number {
    const left = this.#fanOut.serve(count);
    if (left > 0) this.#isDirty = false;
    return left;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#subscription?.close();
  }

  /** Never rejects. */
  async #subscribe(): Promise<void> {
    this.#isSubscribing = true;
    try {
      const { broker } = this.#env;
      const receive = (announced: Announcement) => this.#receive(announced);
      const subscription = await broker.subscribe(this.name, receive, this.#plan);
      if (this.#isClosed) {
        void subscription.close();
        return;
      }
      this.#subscription = subscription;
      for (const reader of [...this.#waiting]) this.#attach(reader);
    } catch (cause) {
      if (this.#isClosed) return;
      this.#env.logger.debug({ channel: this.name, err: cause }, `channel waits: ${messageOf(cause)}`);
      this.#env.onStuck(this);
    } finally {
      this.#isSubscribing = false;
    }
  }

  #receive(announced: Announcement): void {
    // Whatever else it says: an instance that keeps this channel may have sent it, in the middle of a change.
    const entry = Entry.unkept(this.name, announced.packed);
    if (entry === undefined) {
      this.#env.metrics.unreadable.add();
      return;
    }
    this.#fanOut.push(entry);
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#env.onDirty(this);
  }

  #attach(reader: Reader): void {
    this.#waiting.delete(reader);
    if (reader.isClosed) return;
    reader.state = 'attached';
    reader.at = undefined;
    this.#fanOut.attach(reader);
    if (reader.hasStarted) return;
    reader.hasStarted = true;
    reader.sink.onStart(reader, { position: '', recovered: false, reason: undefined, seen: nothingSeen });
  }
}
