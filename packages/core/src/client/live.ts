import { ClosedError, isPandoError } from '../kernel/errors.js';
import type { Live, LiveState, Presence, Published, SubscribeOptions, Subscription, Waiting } from './api.js';
import { type BackoffOptions, backoffMs } from './backoff.js';
import type { Environment } from './environment.js';
import { RequestRefusedError, SubscriptionRefusedError, UnsupportedError } from './errors.js';
import type { Frame, Request } from './frames.js';
import type { Line, LineEvents } from './relay.js';
import type { SeenTokens } from './seen-tokens.js';
import { LiveSubscription } from './subscription.js';

/** What a client consists of. */
export interface LiveInit extends BackoffOptions {
  readonly environment: Environment;
  readonly tokens: SeenTokens;
  readonly isOneWay: boolean;
  openLine(events: LineEvents): Line;
}

/** Somebody who waits for an answer. */
interface Caller {
  readonly request: Request;
  resolve(frame: Frame): void;
  reject(cause: unknown): void;
}

type Listener = (news: never) => void;

/** The client of an application: its subscriptions, its callers, and what they have seen. */
export class LiveClient implements Live {
  readonly fetch: typeof globalThis.fetch;
  readonly #init: LiveInit;
  readonly #line: Line;
  readonly #subscriptions = new Map<string, LiveSubscription>();
  readonly #callers = new Map<string, Caller>();
  readonly #listeners = { state: new Set<Listener>(), error: new Set<Listener>() };
  /** Tells this tab, and what it asks, from all others. */
  readonly #name: string;
  #count = 0;
  #state: LiveState = 'connecting';

  constructor(init: LiveInit) {
    this.#init = init;
    this.fetch = init.tokens.fetch;
    this.#name = `${randomName(init.environment)}.`;
    this.#line = init.openLine({
      frame: (frame) => this.#hear(frame),
      state: (state) => this.#enter(state),
      failed: (error) => this.#failed(error),
      moved: () => this.#askAgain(),
    });
    this.#line.connect();
  }

  get state(): LiveState {
    return this.#state;
  }

  get token(): string | undefined {
    return this.#init.tokens.text;
  }

  subscribe<T>(channel: string, options: SubscribeOptions<T>): Subscription {
    if (this.#state === 'closed') throw new ClosedError('The client');
    const { environment } = this.#init;
    const subscription = new LiveSubscription(channel, this.#nextId(), options as SubscribeOptions<never>, {
      run: (call) => this.#run(call),
      failed: (cause) => this.#failed(cause),
      later: (failures, run) =>
        environment.clock.after(backoffMs(failures, this.#init, environment.random), run),
      left: ({ key }) => {
        this.#subscriptions.delete(key);
        this.#line.ask({ t: 'unsub', key, c: channel });
      },
    });
    this.#subscriptions.set(subscription.key, subscription);
    this.#follow(subscription);
    return subscription;
  }

  async publish(
    channel: string,
    data: unknown,
    {
      key = randomName(this.#init.environment),
      signal,
    }: Waiting & { readonly key?: string | undefined } = {},
  ): Promise<Published> {
    const request: Request = { t: 'pub', id: this.#nextId(), c: channel, d: data, key };
    const { i: position, duplicate = false } = (await this.#request(request, signal)) as Answer<'ack'>;
    return { position, duplicate };
  }

  async presence(channel: string, { signal }: Waiting = {}): Promise<Presence> {
    const answer = await this.#request({ t: 'presence', id: this.#nextId(), c: channel }, signal);
    const { i: position, users, connections, members, truncated } = answer as Answer<'presence'>;
    return { channel, position, users, connections, members, truncated };
  }

  reconnect(): void {
    if (this.#state !== 'closed') this.#line.connect();
  }

  on(event: 'state' | 'error', listener: Listener): () => void {
    // Each call is a listener of its own, whatever function it is given.
    const own: Listener = (news) => listener(news);
    this.#listeners[event].add(own);
    return () => void this.#listeners[event].delete(own);
  }

  close(): void {
    this.#enter('closed');
    this.#line.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // What is asked

  #follow({ key, channel, received, options }: LiveSubscription): void {
    this.#line.ask({ t: 'sub', key, c: channel, since: received, presence: options.presence ?? false });
  }

  async #request(request: Request, signal: AbortSignal | undefined): Promise<Frame> {
    signal?.throwIfAborted();
    if (this.#state === 'closed') throw new ClosedError('The client');
    if (this.#init.isOneWay) throw new UnsupportedError();
    const { id } = request;
    const onAbort = (): void => {
      this.#callers.get(id)?.reject(signal?.reason);
      this.#line.ask({ t: 'cancel', id });
    };
    signal?.addEventListener('abort', onAbort);
    try {
      return await new Promise<Frame>((resolve, reject) => {
        this.#callers.set(id, { request, resolve, reject });
        this.#line.ask(request);
      });
    } finally {
      this.#callers.delete(id);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #askAgain(): void {
    for (const subscription of this.#subscriptions.values()) this.#follow(subscription);
    for (const { request } of this.#callers.values()) this.#line.ask(request);
  }

  #nextId(): string {
    return `${this.#name}${++this.#count}`;
  }

  // What comes

  #hear(frame: Frame): void {
    if ('token' in frame) this.#init.tokens.observe(frame.token);
    switch (frame.t) {
      case 'm':
        if (frame.key !== undefined) return void this.#subscriptions.get(frame.key)?.take(frame);
        for (const subscription of this.#in(frame.c)) subscription.take(frame);
        return;
      case 'sub':
        return void this.#subscriptions.get(frame.key ?? '')?.begin(frame);
      case 'reset':
        for (const subscription of this.#in(frame.c)) subscription.reset(frame.i, frame.reason);
        return;
      case 'unsub':
        return void this.#refused(frame.c, frame.reason ?? '');
      case 'ack':
      case 'presence':
        return void this.#callers.get(frame.id)?.resolve(frame);
      case 'err':
        if (typeof frame.id !== 'string')
          return void this.#failed(new RequestRefusedError(frame.code, frame.message));
        this.#callers.get(frame.id)?.reject(new RequestRefusedError(frame.code, frame.message));
    }
  }

  /** The subscriptions of a channel; a copy, since a listener may end them. */
  #in(channel: string | undefined): LiveSubscription[] {
    return [...this.#subscriptions.values()].filter((subscription) => subscription.channel === channel);
  }

  #refused(channel: string, reason: string): void {
    const ended = this.#in(channel);
    for (const subscription of ended) subscription.close();
    if (ended.length > 0) this.#failed(new SubscriptionRefusedError(channel, reason));
  }

  #enter(state: LiveState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    if (state === 'closed') {
      for (const subscription of [...this.#subscriptions.values()]) subscription.close();
      for (const { reject } of this.#callers.values()) reject(new ClosedError('The client'));
    }
    for (const listener of this.#listeners.state) this.#run(() => listener(state as never));
  }

  #failed(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause), { cause });
    if (this.#listeners.error.size > 0) {
      for (const listener of this.#listeners.error) this.#call(() => listener(error as never));
    } else if (!isPandoError(error) || !error.retryable) {
      console.error(error);
    }
  }

  /** Nothing that the application throws is to end what called it. */
  #run(call: () => void): void {
    try {
      call();
    } catch (cause) {
      this.#failed(cause);
    }
  }

  #call(call: () => void): void {
    try {
      call();
    } catch (cause) {
      console.error(cause);
    }
  }
}

type Answer<T extends Frame['t']> = Frame & { readonly t: T };

/** So many letters and digits that no other tab has the same. */
function randomName({ random }: Environment): string {
  return (random().toString(36) + random().toString(36)).replaceAll('0.', '').slice(0, 20);
}
