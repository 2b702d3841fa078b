import type { Contexts } from '../kernel/context.js';
import { messageOf } from '../kernel/errors.js';
import type { Logger } from '../kernel/logger.js';
import { emptyToken, type Token } from '../kernel/token.js';
import type { TokenCodec } from '../kernel/token-codec.js';
import type { Entry, Format } from './hub/entry.js';
import type { Reader, Sink, Start } from './hub/reader.js';
import type { Message, Reset, Subscription } from './message.js';
import type { PackedMessage } from './packing.js';
import type { MessageSpans } from './ports.js';

/** What a listener in the process stands on. */
export interface SubscriptionInit {
  readonly channel: string;
  readonly listener: (message: Message) => void;
  readonly onReset: ((reset: Reset) => void) | undefined;
  readonly contexts: Contexts;
  readonly logger: Logger;
  readonly format: Format<Message, readonly Message[]>;
  /** Undefined: nobody wants spans. */
  readonly spans?: MessageSpans | undefined;
  onClosed(subscription: LocalSubscription): void;
}

/** A message whose JSON and token are read when somebody asks for them, once for all listeners. */
class ReceivedMessage implements Message {
  readonly channel: string;
  readonly position: string;
  readonly publishedBy: string;
  readonly #packed: PackedMessage;
  readonly #tokens: TokenCodec | undefined;
  #data: { readonly value: unknown } | undefined;
  #token: { readonly value: Token | undefined } | undefined;

  constructor(entry: Entry, packed: PackedMessage, position: string, tokens: TokenCodec | undefined) {
    this.channel = entry.channel;
    this.position = position;
    this.publishedBy = entry.publishedBy;
    this.#packed = packed;
    this.#tokens = tokens;
  }

  get traceparent(): string {
    return this.#packed.traceparent;
  }

  get data(): unknown {
    this.#data ??= { value: JSON.parse(this.#packed.data.toString('utf8')) as unknown };
    return this.#data.value;
  }

  get token(): Token | undefined {
    this.#token ??= { value: this.#decodeToken() };
    return this.#token.value;
  }

  #decodeToken(): Token | undefined {
    const decoded = this.#packed.token === '' ? undefined : this.#tokens?.decode(this.#packed.token);
    return decoded?.kind === 'token' ? decoded.token : undefined;
  }
}

/** How listeners in the process get their messages. */
export function localFormat(tokens: TokenCodec | undefined): Format<Message, readonly Message[]> {
  return {
    slot: 0,
    encode: (entry, message, position) => new ReceivedMessage(entry, message, position, tokens),
    join: (frames) => frames,
  };
}

/** What applications have no use for is no part of what they are promised. */
const traceOf = (message: Message): string => (message instanceof ReceivedMessage ? message.traceparent : '');

/** A listener in the process. Never full: what it does not finish in its turn is its own business. */
export class LocalSubscription implements Subscription, Sink<readonly Message[]> {
  readonly channel: string;
  readonly format: Format<Message, readonly Message[]>;
  readonly isFull = false;
  readonly #init: SubscriptionInit;
  readonly #started: () => void;
  /** Resolves once the position is known from which it listens. */
  readonly started: Promise<void>;
  #reader: Reader<readonly Message[]> | undefined;
  #position = '';
  #token = emptyToken;

  constructor(init: SubscriptionInit) {
    this.channel = init.channel;
    this.format = init.format;
    this.#init = init;
    let started = (): void => undefined;
    this.started = new Promise((resolve) => {
      started = resolve;
    });
    this.#started = started;
  }

  get position(): string {
    return this.#position;
  }

  get token(): Token {
    return this.#token;
  }

  follow(reader: Reader<readonly Message[]>): void {
    this.#reader = reader;
    reader.join();
  }

  onStart(_reader: Reader<readonly Message[]>, { position, reason, seen: { token } }: Start): void {
    this.#position = position;
    this.#token = token;
    this.#started();
    if (reason !== undefined) this.#tellReset({ channel: this.channel, reason, position, token });
  }

  onBatch(reader: Reader<readonly Message[]>, messages: readonly Message[]): void {
    const { contexts, listener, spans } = this.#init;
    for (const message of messages) {
      if (reader.state === 'closed') return;
      this.#position = message.position;
      // What the listener reads must be at least as new as the message, and is nobody's request.
      const context = contexts.open({
        id: message.position,
        signal: new AbortController().signal,
        token: message.token,
      });
      const call = () => contexts.run(context, () => listener(message));
      this.#guard(spans === undefined ? call : () => spans.receiving(this.channel, traceOf(message), call));
    }
  }

  onReset(_reader: Reader<readonly Message[]>, reset: Reset): void {
    this.#position = reset.position;
    this.#tellReset(reset);
  }

  async close(): Promise<void> {
    this.#reader?.close();
    this.#init.onClosed(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tellReset(reset: Reset): void {
    // What is read afresh because of it must be at least as new as what may be missing.
    const { contexts, onReset } = this.#init;
    const context = contexts.open({
      id: reset.position,
      signal: new AbortController().signal,
      token: reset.token,
    });
    this.#guard(() => contexts.run(context, () => onReset?.(reset)));
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (cause) {
      this.#init.logger.error(
        { channel: this.channel, err: cause },
        `a listener of channel "${this.channel}" threw: ${messageOf(cause)}`,
      );
    }
  }
}
