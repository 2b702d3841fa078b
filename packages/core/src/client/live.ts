import { ClosedError, type PandoError } from '../kernel/errors.js';
import type { Live, LiveState, Message, SubscribeOptions, Subscription } from './api.js';
import { ConnectionFailedError, RefusedError } from './errors.js';
import type { Answer, AnswerOf, Frame, MessageFrame, Request, StartFrame } from './frames.js';
import type { Line, LineEvents } from './line.js';
import { isCovered } from './position.js';
import type { SeenTokens } from './seen-tokens.js';

/** Messages that may wait for the state to be read. Beyond, the state is to be read again instead. */
const maxWaiting = 1_000;
/** Requests that may be unanswered at a time: a server closes on who floods it. */
const maxInFlight = 64;

/** What a client consists of. */
export interface LiveInit {
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
  position?: string | undefined;
  isOn?: boolean;
  /** Whether it was asked for on this connection. */
  isAsked?: boolean;
  presence?: true;
}

interface Follower extends Subscription {
  position: string | undefined;
  /** Behind which message it stands, or wants to begin; undefined: from now on. */
  received: string | undefined;
  /** Whether it has begun. */
  isOn?: boolean;
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
  { isOneWay, delayMs, openLine, recall }: LiveInit,
  { text, observe, fetch }: SeenTokens,
): Live {
  const listeners = { state: new Set<Listener>(), error: new Set<Listener>() };
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
  const tell = (told: ReadonlySet<Listener>, news: unknown, onError?: typeof failed): void => {
    for (const listener of told) run(() => listener(news as never), onError);
  };
  function failed(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause), { cause });
    tell(listeners.error, error, console.error);
    if (!listeners.error.size && !(error as Partial<PandoError>).retryable) console.error(error);
  }
  const enter = (next: LiveState): void => {
    if (state === next || state === 'closed') return;
    state = next;
    if (next === 'closed') {
      for (const follower of followers) follower.close();
      for (const { reject } of calls.values()) reject(new ClosedError('The client'));
    }
    tell(listeners.state, next);
  };

  // What is asked

  const followersOf = (name: string): Follower[] => [...followers].filter(({ channel }) => channel === name);
  const channelOf = (name: string): Channel => {
    const channel: Channel = channels.get(name) ?? {};
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
    for (const presence of [undefined, true] as const) {
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
    if (isOneWay) throw new RefusedError("This needs transport: 'ws'.", 'unsupported');
    signal?.throwIfAborted();
    const id = randomName();
    const onAbort = (): void => calls.get(id)?.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        calls.set(id, { request: { ...asked, id }, resolve, reject });
        pump();
      });
      if (answer.t === 'err') throw new RefusedError(answer.message, answer.code);
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
  const randomName = (): string => `${Math.random()}${Math.random()}`.replace(/0\./g, '');

  // What comes

  const hear = (frame: Frame): void => {
    observe((frame as MessageFrame).token);
    const { id } = frame as Answer;
    if (sent.delete(id as string)) {
      calls.get(id as string)?.resolve(frame as Answer);
      calls.delete(id as string);
      pump();
    } else if (frame.t === 'm' || frame.t === 'sub' || frame.t === 'reset') heard(frame);
    else if (frame.t === 'unsub' && frame.reason) refused(frame.c, frame.reason);
    else if (frame.t === 'err' && !id) complained(frame);
  };
  /** Over a stream that is whatever there is, otherwise what is still followed. */
  const heard = (frame: MessageFrame | StartFrame): void => {
    const { t, c: name, i } = frame;
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
    // `failed` and `rate-limited` are over soon.
    if (/failed|rate/.test(code)) {
      failed(new ConnectionFailedError(message));
      // Of what is asked for twice the server says so, and goes on.
      setTimeout(() => request((name) => !channelOf(name).isOn), delayMs(2));
    } else if (!c) failed(new RefusedError(message, code));
    else if (!code.endsWith('-subscribed')) refused(c, `${message} (${code})`);
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
          await new Promise<void>((resolve) => setTimeout(resolve, delayMs(failures++)));
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
      if (reason) failed(new RefusedError(`${name}: ${reason}`, reason, name));
    };
    const own: Follower = {
      channel: name,
      position: undefined,
      received: options.since || undefined,
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
      const missed = !since || isCovered(position as string, since) ? [] : recall?.(name, since);
      if (missed || !isCovered(since as string, position as string)) {
        // It begins where the channel is, or has lost what came before.
        own.begin(position as string, missed);
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
      const {
        t,
        id,
        c,
        i: position,
        ...presence
      } = await ask<'presence'>({ t: 'presence', c: channel }, signal);
      return { channel, position, ...presence };
    },
    reconnect: connect,
    on(event: 'state' | 'error', listener: Listener) {
      listeners[event].add(listener);
      return () => void listeners[event].delete(listener);
    },
    close,
    [Symbol.dispose]: close,
  };
}
