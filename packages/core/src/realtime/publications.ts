import { abortable } from '../kernel/abort.js';
import type { Kernel } from '../kernel/kernel.js';
import { createLaggards, type LaggardSource } from '../kernel/laggards.js';
import { emptyToken, isEmptyToken, mergeTokens, type Token } from '../kernel/token.js';
import type { TokenCodec } from '../kernel/token-codec.js';
import { assertChannelName } from './channel-name.js';
import { EventTooLargeError, RealtimeRoleError } from './errors.js';
import { eventJson } from './event-json.js';
import { HeldEvents } from './held-events.js';
import type { Published, PublishOptions } from './message.js';
import type { ResolvedRealtimeOptions } from './options.js';
import { packMessage } from './packing.js';
import type { Broker, MessageSpans } from './ports.js';
import { Publisher } from './publisher.js';
import type { RealtimeMetrics } from './realtime-metrics.js';

/** What publications stand on. */
export interface PublicationsInit {
  readonly kernel: Kernel;
  readonly options: ResolvedRealtimeOptions;
  readonly broker: Broker;
  readonly tokens: TokenCodec | undefined;
  /** Knows who may still serve the past. Absent: nobody. */
  readonly laggards: LaggardSource | undefined;
  readonly spans: MessageSpans | undefined;
  readonly metrics: RealtimeMetrics;
}

/** Makes messages of what the application publishes: checked, with what was written before, at their turn. */
export class Publications {
  readonly #init: PublicationsInit;
  readonly #held: HeldEvents;
  /** For what is Pando's own. */
  readonly publisher: Publisher;

  constructor(init: PublicationsInit) {
    const { kernel, options, broker, metrics, laggards = createLaggards() } = init;
    const { clock } = kernel;
    const { channels: plans, afterAllMs: timeoutMs, onUnavailable, publishWaitMs: waitMs } = options;
    this.#init = init;
    this.#held = new HeldEvents({ clock, laggards, timeoutMs, counters: metrics.held });
    this.publisher = new Publisher({ broker, plans, clock, metrics, onUnavailable, waitMs });
  }

  /** See `Realtime.publish`. */
  async publish(channel: string, event: unknown, options: PublishOptions = {}): Promise<Published> {
    const { id, holdId, afterAll, signal } = options;
    const { spans, tokens } = this.#init;
    signal?.throwIfAborted();
    if (this.#init.options.role === 'deliver-only')
      throw new RealtimeRoleError('deliver-only', 'publishes nothing');
    assertChannelName(channel);
    const json = eventJson(channel, event);
    this.#checkSize(channel, json);
    const token = this.#tokenOf(options.token);
    const turn = this.#held.turn(channel, afterAll ? (token ?? emptyToken) : undefined);
    if (turn !== undefined) await abortable(turn, signal);
    const isHeld = holdId === true && id !== undefined;
    const text = token === undefined ? '' : (tokens?.encode(token) ?? '');
    const send = (traceparent = '') => {
      const packed = packMessage(text, json, traceparent);
      return this.publisher.publish({ channel, id, isHeld, packed, token, signal });
    };
    return await (spans === undefined ? send() : spans.publishing(channel, send));
  }

  /** Refuses what still waits. */
  close(): void {
    this.#held.close();
    this.publisher.close();
  }

  #checkSize(channel: string, json: string): void {
    const { maxEventBytes } = this.#init.options;
    // A character takes one to three bytes, so most events need no exact count.
    if (json.length * 3 <= maxEventBytes) return;
    const bytes = Buffer.byteLength(json);
    if (bytes > maxEventBytes) throw new EventTooLargeError(channel, bytes, maxEventBytes);
  }

  /** What the event's receivers will have seen: what this request wrote, and what the caller adds. */
  #tokenOf(given: Token = emptyToken): Token | undefined {
    const { tokens, kernel } = this.#init;
    const token = mergeTokens(kernel.contexts.current().written, given);
    return tokens === undefined || isEmptyToken(token) ? undefined : token;
  }
}
