import { ClosedError, type PandoError } from '../kernel/errors.js';
import type { Live, LiveState, Message, SubscribeOptions, Subscription } from './api.js';
import type { Environment } from './environment.js';
import {
  ConnectionFailedError,
  RequestRefusedError,
  SubscriptionRefusedError,
  UnsupportedError,
} from './errors.js';
import type { Answer, AnswerOf, Frame, MessageFrame, Request, StartFrame } from './frames.js';
import type { Line, LineEvents } from './line.js';
import { isCovered } from './position.js';
import type { SeenTokens } from './seen-tokens.js';

/** Messages that may wait for the state to be read. Beyond, the state is to be read again instead. */
const maxWaiting = 1_000;
/** Requests that may be unanswered at a time: a server closes on who floods it. */
const maxInFlight = 64;

/** What a client consists of. */
export interface LiveInit extends Pick<Environment, 'random' | 'after'> {
  /** Whether the transport only listens. */
  readonly isOneWay: boolean;
  /** How long to wait after so many failures. */
  delayMs(failures: number): number;
  openLine(events: LineEvents): Line | Promise<Line>;
  /** The messages of a channel that followed a position, if they are still known. */
  readonly recall?: (channel: string, since: string) => readonly MessageFrame[] | undefined;
}

/** A subscription on behalf of somebody else, who is told more. */
export interface InnerOptions extends SubscribeOptions<never> {
  /** It begins: at `since`, if it `recovered`. */
  onStart?(position: string, recovered: boolean): void;
  /** It is over; with a reason where the server has ended it. */
  onEnd?(reason: string | undefined): void;
}

type Listener = (news: never) => void;
type Asked = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

interface Channel {
  /** Behind which message it stands. */
  position: string;
  isOn: boolean;
  /** Whether it was asked for on this connection. */
  isAsked: boolean;
  presence: boolean;
}

interface Follower extends Subscription {
  position: string | undefined;
  /** Behind which message it stands, or wants to begin; undefined: from now on. */
  received: string | undefined;
  /** Whether it has begun. */
  isOn: boolean;
  begin(i: string, recovered: unknown, reason?: string): void;
  take(message: MessageFrame): void;
  close(reason?: string): void;
}

interface Call {
  readonly request: Request;
  resolve(answer: Answer): void;
  reject(cause: unknown): void;
}

/** The client of an application: its subscriptions, its calls, and what they have seen, brought over reconnects. */
export function createLive(
  { isOneWay, delayMs, random, after, openLine, recall }: LiveInit,
  { text, observe, fetch }: SeenTokens,
): Live {
  const listeners = new Set<readonly ['state' | 'error', Listener]>();
  const followers = new Set<Follower>();
  const channels = new Map<string, Channel>();
  const calls = new Map<string, Call>();
  /** The calls that are under way. */
  const sent = new Set<string>();
  let state: LiveState = 'connecting';
  /** The line may be a while in coming. */
  let line: Line | undefined;

  // What the application hears. Nothing that it throws is to end what called it.

  const run = (call: () => void, onError = failed): void => {
    try {
      call();
    } catch (cause) {
      onError(cause);
    }
  };
  const tell = (event: string, news: unknown, onError?: typeof failed): boolean => {
    const told = [...listeners].filter(([wanted]) => wanted === event);
    for (const [, listener] of told) run(() => listener(news as never), onError);
    return told.length > 0;
  };
  function failed(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause), { cause });
    if (!tell('error', error, console.error) && !(error as Partial<PandoError>).retryable)
      console.error(error);
  }
  const enter = (next: LiveState): void => {
    if (state === next || state === 'closed') return;
    state = next;
    if (next === 'closed') {
      for (const follower of followers) follower.close();
      for (const { reject } of calls.values()) reject(new ClosedError('The client'));
    }
    tell('state', next);
  };

  // What is asked

  const followersOf = (name: string): Follower[] => [...followers].filter(({ channel }) => channel === name);
  const channelOf = (name: string): Channel => {
    // What began without a name is what is asked for now.
    const channel = channels.get(name) ??
      channels.get('') ?? { position: '', isOn: false, isAsked: false, presence: false };
    channels.delete('');
    channels.set(name, channel);
    return channel;
  };
  /** From where channels are wanted: each from where the follower is that is furthest back. */
  const sinceOf = (isWanted: (follower: Follower) => boolean): Record<string, string> => {
    const since: Record<string, string> = {};
    for (const follower of followers) {
      const { channel, received } = follower;
      const least = since[channel];
      if (received && isWanted(follower) && (!least || isCovered(received, least))) since[channel] = received;
    }
    return since;
  };
  const wanted = () => sinceOf(({ isOn }) => !isOn);
  const request = (isWanted: (name: string) => boolean): void => {
    for (const presence of [false, true]) {
      const c = [...channels.keys()].filter(
        (name) => channelOf(name).presence === presence && followersOf(name)[0] && isWanted(name),
      );
      if (!c[0]) continue;
      const since = sinceOf(({ channel }) => c.includes(channel));
      const isAsked = !!line?.send({ t: 'sub', c, since, presence });
      for (const name of c) channelOf(name).isAsked = isAsked;
    }
  };
  /** Sends what is not under way, as much as may be. */
  const pump = (): void => {
    for (const [id, call] of calls) {
      if (sent.has(id)) continue;
      if (sent.size >= maxInFlight || !line?.send(call.request)) return;
      sent.add(id);
    }
  };
  const ask = async <T extends Answer['t']>(
    asked: Asked,
    signal: AbortSignal | undefined,
  ): Promise<AnswerOf<T>> => {
    refuseClosed();
    if (isOneWay) throw new UnsupportedError();
    signal?.throwIfAborted();
    const id = randomName();
    const onAbort = (): void => calls.get(id)?.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        calls.set(id, { request: { ...asked, id }, resolve, reject });
        pump();
      });
      if (answer.t === 'err') throw new RequestRefusedError(answer.code, answer.message);
      return answer as AnswerOf<T>;
    } finally {
      calls.delete(id);
      signal?.removeEventListener('abort', onAbort);
    }
  };
  const refuseClosed = (): void => {
    if (state === 'closed') throw new ClosedError('The client');
  };
  /** So many letters and digits that nobody else has the same. */
  const randomName = (): string => (random().toString(36) + random()).replace(/0\./g, '');

  // What comes

  const hear = (frame: Frame): void => {
    observe((frame as MessageFrame).token);
    const { t } = frame;
    if (t === 'm' || t === 'sub' || t === 'reset') heard(frame);
    else if (t === 'unsub' && frame.reason) refused(frame.c, frame.reason);
    else if (t === 'err' && !frame.id) complained(frame);
    else if (t === 'ack' || t === 'presence' || t === 'err') {
      const id = frame.id as string;
      calls.get(id)?.resolve(frame);
      calls.delete(id);
      sent.delete(id);
      pump();
    }
  };
  /** Over a stream that is whatever there is, otherwise what is still followed. */
  const heard = (frame: MessageFrame | StartFrame): void => {
    const { t, i } = frame;
    const [only = '', ...others] = channels.keys();
    const name = frame.c ?? (others[0] ? '' : only); // a raw stream has one channel, and does not say which
    if (!line?.isOneWay && !channels.has(name)) return;
    const channel = channelOf(name);
    if (t === 'm') {
      channel.position = i || channel.position;
      for (const follower of followersOf(name)) follower.take(frame);
    } else {
      if (!frame.recovered || !channel.isOn) channel.position = i;
      channel.isOn = true;
      for (const follower of followersOf(name)) follower.begin(i, frame.recovered, frame.reason);
    }
  };
  const refused = (name: string, reason: string): void => {
    channels.delete(name);
    for (const follower of followersOf(name)) follower.close(reason);
  };
  const complained = ({ c, code, message }: AnswerOf<'err'>): void => {
    if (!c) failed(new RequestRefusedError(code, message));
    else if (code === 'failed') {
      failed(new ConnectionFailedError(`${c}: ${message}`));
      after(delayMs(2), () => request((name) => name === c && !channelOf(name).isOn));
    } else if (!/^(already|not)-subscribed$/.test(code)) refused(c, `${message} (${code})`);
  };

  const opening = openLine({
    opened() {
      sent.clear();
      if (!line?.isOneWay) request(() => true);
      pump();
    },
    frame: hear,
    failed,
    wanted,
    state: enter,
  });
  const connect = async (): Promise<void> => {
    line = await opening;
    line.connect();
  };
  const close = async (): Promise<void> => {
    enter('closed');
    (await opening).close();
  };
  const subscribe = (name: string, options: InnerOptions): Subscription => {
    refuseClosed();
    let isOver = false;
    /** Messages that wait for the state. */
    let waiting: MessageFrame[] | undefined;
    /** Whether the state that is being read is out of date. */
    let isStale = false;

    const give = ({ i, d, token }: MessageFrame): void => {
      if (isOver) return;
      own.position = i;
      const message: Message = { channel: name, position: i, data: d, token };
      run(() => options.onMessage(message as Message<never>));
    };
    /** One at a time: of two that run beside each other the older one could end last. */
    const read = async (): Promise<void> => {
      isStale = true;
      if (waiting || isOver || !options.getState) return; // what is being read is out of date now, and is read again
      waiting = [];
      for (let failures = 0; isStale && !isOver; ) {
        isStale = false;
        try {
          await options.getState();
        } catch (cause) {
          if (isOver) return;
          isStale = true;
          failed(cause);
          await new Promise<void>((resolve) => after(delayMs(failures++), resolve));
        }
      }
      const given = waiting;
      waiting = undefined;
      given.forEach(give);
    };
    const lose = (i: string, reason: string): void => {
      own.received = own.position = i;
      waiting &&= []; // the state that is read next includes them
      run(() => options.onReset?.({ channel: name, reason, position: i }));
      void read();
    };
    const end = (reason?: string): void => {
      if (isOver) return;
      isOver = true;
      followers.delete(own);
      options.onEnd?.(reason);
      // What comes over a stream does so whether anybody listens or not.
      if (!line?.isOneWay && !followersOf(name)[0] && channels.delete(name))
        line?.send({ t: 'unsub', c: name });
      if (reason) failed(new SubscriptionRefusedError(name, reason));
    };
    const own: Follower = {
      channel: name,
      position: undefined,
      received: options.since || undefined,
      isOn: false,
      begin(i, recovered, reason) {
        const { received } = own;
        const isFirst = !own.isOn;
        own.isOn = true;
        if (received === undefined || (isFirst && recovered)) {
          own.position = own.received = received ?? i;
          options.onStart?.(own.position, received !== undefined);
          if (received === undefined) void read();
        } else if (!recovered && (reason || i !== received)) lose(i, reason ?? 'not-resumed');
      },
      take(message) {
        const { i } = message;
        if (!own.isOn || isOver || isCovered(i, own.received as string)) return;
        own.received = i;
        if (!waiting) give(message);
        else if (waiting.push(message) > maxWaiting) lose(i, 'slow');
      },
      close: end,
      [Symbol.dispose]: end,
    };

    const channel = channelOf(name);
    const { position, isOn, isAsked } = channel;
    const { received: since } = own;
    const isNewlyPresent = options.presence && !channel.presence;
    const asked = wanted()[name];
    let isBehind = since !== undefined && !(asked && isCovered(asked, since));
    if (isNewlyPresent) channel.presence = true;
    followers.add(own);
    if (isOn && !isNewlyPresent) {
      const missed = !since || isCovered(position, since) ? [] : recall?.(name, since);
      if (missed || !isCovered(since as string, position)) {
        // It begins where the channel is, or has lost what came before.
        own.begin(position, missed);
        missed?.forEach(own.take);
        isBehind = false;
      }
    }
    if (line?.isOneWay) {
      if (isBehind) void connect();
    } else if (isNewlyPresent || isBehind || !(isAsked || isOn)) {
      // Who is present says so when the channel begins, and who is behind has it begin there.
      if (isAsked) line?.send({ t: 'unsub', c: name });
      request((other) => other === name);
    }
    return own;
  };
  void connect();
  return {
    get state() {
      return state;
    },
    get token() {
      return text();
    },
    fetch,
    subscribe,
    async publish(c, d, { key = randomName(), signal } = {}) {
      const { i, duplicate = false } = await ask<'ack'>({ t: 'pub', c, d, key }, signal);
      return { position: i, duplicate };
    },
    async presence(channel, { signal } = {}) {
      const answer = await ask<'presence'>({ t: 'presence', c: channel }, signal);
      const { i, users, connections, members, truncated } = answer;
      return { channel, position: i, users, connections, members, truncated };
    },
    reconnect: connect,
    on(event: 'state' | 'error', listener: Listener) {
      const own = [event, listener] as const;
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    close,
    [Symbol.dispose]: close,
  };
}
