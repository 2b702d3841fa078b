import { abortable } from '../kernel/abort.js';
import type { Logger } from '../kernel/logger.js';
import type { RedisSubscription } from './ports.js';

/** Called with each payload of a channel. */
export type Listener = (payload: Buffer) => void;

/** The connection that channels are asked for on, while there is one. */
export interface ChannelSource {
  /** Asks for a channel; resolves once it is acknowledged, and at once while there is no connection. */
  ask(name: string): Promise<void>;
  /** Nobody listens to the channel any more. Never rejects. */
  drop(name: string): Promise<void>;
}

/** Who listens to which channel. */
export class Listeners {
  readonly #source: ChannelSource;
  readonly #logger: Logger;
  readonly #channels = new Map<string, Channel>();

  constructor(source: ChannelSource, logger: Logger) {
    this.#source = source;
    this.#logger = logger;
  }

  /** The channels that somebody listens to. */
  names(): readonly string[] {
    return [...this.#channels.keys()];
  }

  clear(): void {
    this.#channels.clear();
  }

  async join(name: string, listener: Listener, signal?: AbortSignal): Promise<RedisSubscription> {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new Channel();
      this.#channels.set(name, channel);
      channel.acknowledged = this.#source.ask(name);
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

  deliver(name: string, payload: Buffer): void {
    for (const subscription of this.#channels.get(name)?.subscriptions ?? []) {
      try {
        subscription.listener(payload);
      } catch (cause) {
        this.#logger.error({ err: cause, channel: name }, 'a listener of a Redis channel threw');
      }
    }
  }

  async #leave(name: string, channel: Channel, subscription: Subscription): Promise<void> {
    channel.subscriptions.delete(subscription);
    if (channel.subscriptions.size > 0 || this.#channels.get(name) !== channel) return;
    this.#channels.delete(name);
    await this.#source.drop(name);
  }
}

/** One channel and who listens to it. */
class Channel {
  readonly subscriptions = new Set<Subscription>();
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
