import type { Message, SubscribeOptions, Subscription } from './api.js';
import type { Frame, MessageFrame } from './frames.js';
import { isCovered } from './position.js';

/** Messages that may wait for the state to be read. Beyond, the state is to be read again instead. */
const maxWaiting = 1_000;

/** What a subscription needs of who made it. */
export interface SubscriptionHost {
  /** Calls what belongs to the application, whose failures are not ours. */
  run(call: () => void): void;
  failed(cause: unknown): void;
  /** Calls back after a while, longer each time. */
  later(failures: number, run: () => void): Disposable;
  left(subscription: LiveSubscription): void;
}

/** One listener of one channel. */
export class LiveSubscription implements Subscription {
  readonly channel: string;
  readonly key: string;
  readonly options: SubscribeOptions<never>;
  position: string | undefined;
  /** The last one received: what is received goes on from there. */
  received: string | undefined;
  readonly #host: SubscriptionHost;
  #isOn = false;
  #isClosed = false;
  /** Messages that wait for the state. */
  #waiting: MessageFrame[] | undefined;
  /** Whether the state that is being read is out of date. */
  #isStale = false;
  #pause: Disposable | undefined;

  constructor(channel: string, key: string, options: SubscribeOptions<never>, host: SubscriptionHost) {
    this.channel = channel;
    this.key = key;
    this.options = options;
    this.#host = host;
    this.received = options.since;
  }

  /** It is followed, from here. */
  begin({ i, recovered, reason }: Frame & { readonly t: 'sub' }): void {
    const isFirst = !this.#isOn;
    this.#isOn = true;
    if (recovered) {
      this.position ??= i;
      return;
    }
    if (reason !== undefined) return void this.reset(i, reason);
    this.received = i;
    this.position = i;
    if (isFirst) this.#read();
  }

  take(frame: MessageFrame): void {
    if (!this.#isOn || this.#isClosed) return;
    if (this.received !== undefined && isCovered(frame.i, this.received)) return;
    this.received = frame.i;
    if (this.#waiting === undefined) return void this.#give(frame);
    if (this.#waiting.push(frame) > maxWaiting) this.reset(frame.i, 'slow');
  }

  reset(position: string, reason: string): void {
    if (!this.#isOn || this.#isClosed) return;
    this.received = position;
    this.position = position;
    if (this.#waiting !== undefined) this.#waiting = []; // the state that is read next includes them
    this.#host.run(() => this.options.onReset?.({ channel: this.channel, reason, position }));
    this.#read();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting = undefined;
    this.#pause?.[Symbol.dispose]();
    this.#host.left(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(): void {
    const { getState } = this.options;
    if (getState === undefined || this.#isClosed) return;
    this.#isStale = true;
    if (this.#waiting !== undefined) return; // what is being read is out of date now, and is read again
    this.#waiting = [];
    void this.#readUntilFresh(() => getState.call(this.options));
  }

  /** One at a time: of two that run beside each other the older one could end last. */
  async #readUntilFresh(getState: () => Promise<unknown>): Promise<void> {
    for (let failures = 0; this.#isStale && !this.#isClosed; ) {
      this.#isStale = false;
      try {
        await getState();
      } catch (cause) {
        if (this.#isClosed) return;
        this.#isStale = true;
        this.#host.failed(cause);
        const resumed = new Promise<void>((resolve) => {
          this.#pause = this.#host.later(failures++, resolve);
        });
        await resumed; // never, once it is closed
      }
    }
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const frame of waiting) this.#give(frame);
  }

  #give({ i, d, token }: MessageFrame): void {
    if (this.#isClosed) return;
    this.position = i;
    const message: Message = { channel: this.channel, position: i, data: d, token };
    this.#host.run(() => this.options.onMessage(message as Message<never>));
  }
}
