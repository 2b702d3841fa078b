import { randomUUID } from 'node:crypto';
import { abortable } from '../kernel/abort.js';
import type { Clock } from '../kernel/clock.js';
import { ClosedError, isPandoError } from '../kernel/errors.js';
import type { Token } from '../kernel/token.js';
import type { ChannelPlan, ChannelPlans } from './channel-plans.js';
import { RealtimeUnavailableError } from './errors.js';
import type { Published } from './message.js';
import type { Appended, Broker, OutgoingMessage } from './ports.js';
import { formatPosition, unkept } from './position.js';
import type { RealtimeMetrics } from './realtime-metrics.js';

/** What happens to a publish while the log cannot be reached. */
export type OnUnavailable = 'reject' | 'wait';

/** What a publisher stands on. */
export interface PublisherInit {
  readonly broker: Broker;
  readonly plans: ChannelPlans;
  readonly clock: Clock;
  readonly metrics: RealtimeMetrics;
  readonly onUnavailable: OnUnavailable;
  /** Time that a publish may wait for the log. */
  readonly waitMs: number;
}

/** One message on its way. */
export interface Outgoing {
  readonly channel: string;
  readonly id: string | undefined;
  readonly isHeld: boolean;
  readonly packed: Buffer;
  readonly token: Token | undefined;
  readonly signal: AbortSignal | undefined;
}

const MAX_BATCH_MESSAGES = 128;
const MAX_BATCH_BYTES = 262_144;
/** All that may wait in this process; more is refused. */
const MAX_QUEUED_BYTES = 67_108_864;
const RETRY_MS = 100;

/** Where a message went that is kept nowhere. */
const nowhere: Appended = Object.freeze({ id: '', index: undefined, lineage: unkept, duplicate: false });

class Pending implements OutgoingMessage {
  readonly id: string | undefined;
  readonly isHeld: boolean;
  readonly packed: Buffer;
  readonly token: Token | undefined;
  readonly signal: AbortSignal | undefined;
  readonly since: number;
  readonly resolve: (published: Published) => void;
  readonly reject: (cause: unknown) => void;

  constructor(
    { isHeld, packed, token, signal }: Outgoing,
    id: string | undefined,
    since: number,
    resolve: (published: Published) => void,
    reject: (cause: unknown) => void,
  ) {
    this.id = id;
    this.isHeld = isHeld;
    this.packed = packed;
    this.token = token;
    this.signal = signal;
    this.since = since;
    this.resolve = resolve;
    this.reject = reject;
  }
}

/** The publishes of one channel, which leave one packet at a time. */
interface Lane {
  readonly channel: string;
  readonly plan: ChannelPlan;
  readonly queue: Pending[];
}

/**
 * Carries messages to the log.
 *
 * What is published to a channel in one turn of the event loop leaves as one packet, and the next packet
 * of that channel leaves when the one before it was answered. So order holds whatever fails, nothing
 * waits while there is no load, and packets grow with it.
 */
export class Publisher {
  readonly #init: PublisherInit;
  readonly #lanes = new Map<string, Lane>();
  #due: Lane[] = [];
  #queuedBytes = 0;
  #isClosed = false;

  constructor(init: PublisherInit) {
    this.#init = init;
  }

  /** Resolves once the message is in the log; see `Realtime.publish`. */
  publish(message: Outgoing): Promise<Published> {
    const { channel, packed, signal, id } = message;
    if (this.#isClosed) return Promise.reject(new ClosedError('realtime'));
    if (this.#queuedBytes + packed.length > MAX_QUEUED_BYTES) {
      const cause = new Error(`${this.#queuedBytes} bytes wait to be published already`);
      return Promise.reject(
        new RealtimeUnavailableError(`publishing to channel "${channel}" refused`, cause),
      );
    }
    const { clock, onUnavailable } = this.#init;
    // What may be sent twice needs a name by which the log knows it again.
    const name = id ?? (onUnavailable === 'wait' ? `w:${randomUUID()}` : undefined);
    const outcome = new Promise<Published>((resolve, reject) => {
      this.#enqueue(channel, new Pending(message, name, clock.monotonic(), resolve, reject));
    });
    return abortable(outcome, signal);
  }

  /** Rejects what still waits. */
  close(): void {
    this.#isClosed = true;
    for (const lane of this.#lanes.values()) {
      for (const pending of lane.queue.splice(0)) pending.reject(new ClosedError('realtime'));
    }
    this.#lanes.clear();
  }

  #enqueue(channel: string, pending: Pending): void {
    this.#queuedBytes += pending.packed.length;
    const lane = this.#lanes.get(channel);
    if (lane !== undefined) {
      lane.queue.push(pending);
      return;
    }
    const fresh = { channel, plan: this.#init.plans.of(channel), queue: [pending] };
    this.#lanes.set(channel, fresh);
    if (this.#due.push(fresh) === 1) setImmediate(this.#sendDue);
  }

  readonly #sendDue = (): void => {
    const due = this.#due;
    this.#due = [];
    this.#init.broker.together(() => {
      for (const lane of due) void this.#drain(lane);
    });
  };

  /** Sends packet after packet until the lane is empty. Never rejects. */
  async #drain(lane: Lane): Promise<void> {
    while (lane.queue.length > 0) {
      const batch = this.#takeBatch(lane.queue);
      if (batch.length > 0) await this.#send(lane, batch);
    }
    this.#lanes.delete(lane.channel);
  }

  async #send(lane: Lane, batch: readonly Pending[]): Promise<void> {
    const { clock, metrics } = this.#init;
    try {
      const places = await this.#append(lane, batch);
      for (const [index, pending] of batch.entries()) {
        const place = places[index];
        if (place === undefined) continue;
        this.#queuedBytes -= pending.packed.length;
        metrics.publishDuration.record((clock.monotonic() - pending.since) / 1_000);
        metrics.published[place.duplicate ? 'duplicate' : 'added'].add();
        pending.resolve({
          position: place.lineage === unkept ? '' : formatPosition(place),
          duplicate: place.duplicate,
        });
      }
    } catch (cause) {
      const patient = batch.filter((pending) => this.#mayWait(lane.plan, pending, cause));
      for (const pending of batch) {
        if (patient.includes(pending)) continue;
        this.#queuedBytes -= pending.packed.length;
        metrics.published.failed.add();
        pending.reject(cause);
      }
      if (patient.length === 0) return;
      lane.queue.unshift(...patient);
      await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
    }
  }

  async #append({ channel, plan }: Lane, batch: readonly Pending[]): Promise<readonly Appended[]> {
    const { broker } = this.#init;
    if (!plan.isEphemeral) return await broker.append(channel, batch, plan);
    await broker.announce(channel, batch, plan);
    return batch.map(() => nowhere);
  }

  #mayWait(plan: ChannelPlan, pending: Pending, cause: unknown): boolean {
    const { clock, onUnavailable, waitMs } = this.#init;
    return (
      onUnavailable === 'wait' &&
      !plan.isEphemeral && // it may be there already, and nobody could tell
      !this.#isClosed &&
      isPandoError(cause, 'PANDO_REALTIME_UNAVAILABLE') &&
      clock.monotonic() - pending.since < waitMs
    );
  }

  /** Takes what fits into one packet; what its caller has given up is left out. */
  #takeBatch(queue: Pending[]): readonly Pending[] {
    const batch: Pending[] = [];
    let bytes = 0;
    for (let next = queue[0]; next !== undefined && batch.length < MAX_BATCH_MESSAGES; next = queue[0]) {
      if (batch.length > 0 && bytes + next.packed.length > MAX_BATCH_BYTES) break;
      queue.shift();
      if (next.signal?.aborted) {
        this.#queuedBytes -= next.packed.length;
        continue;
      }
      bytes += next.packed.length;
      batch.push(next);
    }
    return batch;
  }
}
