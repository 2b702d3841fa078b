import type { Live, LiveState, Message, Subscription } from './api.js';
import type { RefusedError } from './errors.js';
import type { Answer, Frame, MessageFrame, Request, Upward } from './frames.js';
import type { Line, LineEvents } from './line.js';
import type { createLive, InnerOptions, LiveInit } from './live.js';
import type { SeenTokens } from './seen-tokens.js';

/*
 * Loaded only where tabs share. One tab has the connection: the one that holds the lock. It has a client of its own for all
 * tabs, which ask it over a channel what they would ask a server, and each hears the answers over another channel.
 */

/** Messages of a channel that are kept, for tabs that come a little behind. */
const keptMessages = 128;

type Init = Omit<LiveInit, 'openLine' | 'recall'>;
type OpenLine = (events: LineEvents) => Line;

/** What is said to who has the connection, and by it to all. */
type Word =
  | { readonly k: 'hello'; readonly from: string }
  | { readonly k: 'connect' }
  | { readonly k: 'frame'; readonly from: string; readonly frame: Upward }
  /** Who has the connection knows of nobody yet. */
  | { readonly k: 'here' };

/** What one tab is told. */
type News =
  /** It is known now: it may ask. */
  | { readonly k: 'welcome'; readonly state: LiveState }
  | { readonly k: 'state'; readonly state: LiveState }
  | { readonly k: 'frame'; readonly frame: Frame };

interface Locks {
  request(name: string, options: { signal: AbortSignal }, hold: () => Promise<void>): Promise<void>;
}

/** A tab, as who has the connection sees it. */
interface Tab {
  tell(news: News): void;
  readonly followed: Map<string, Subscription>;
}

/** What is known of a channel. */
interface Kept {
  /** Behind which message the kept ones begin. */
  from: string | undefined;
  readonly messages: MessageFrame[];
}

/** A line for all tabs that give it the same name. */
export function shareLine(
  name: string,
  init: Init,
  tokens: SeenTokens,
  openLine: OpenLine,
  openLive: typeof createLive,
  events: LineEvents,
): Line {
  const { locks } = (globalThis as { readonly navigator?: { readonly locks?: Locks } }).navigator ?? {};
  if (locks === undefined) return openLine(events);
  const own = `${name} ${Math.random()}${Math.random()}`;
  const end = new AbortController();
  const { signal } = end;
  const counter = new BroadcastChannel(name);
  const mail = new BroadcastChannel(own);
  let hub: Hub | undefined;
  let isConnecting = false;

  const hear = (news: News): void => {
    if (signal.aborted) return;
    if (news.k === 'frame') {
      events.frame(news.frame);
      return;
    }
    if (news.k === 'welcome') events.opened();
    events.state(news.state);
    if (news.state === 'closed') close(); // for all tabs: the server does not want them
  };
  const say = (word: Word): boolean => {
    if (hub !== undefined) hub.take(word);
    else if (!signal.aborted) counter.postMessage(word);
    return !signal.aborted;
  };
  const close = (): void => {
    end.abort();
    hub?.close();
    counter.close();
    mail.close();
  };
  /** Holds a lock until the line is closed, or the tab is. */
  const hold = (lock: string, run: () => void): void => {
    const held = async (): Promise<void> => {
      run();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    locks.request(lock, { signal }, held).catch(() => undefined); // it was closed before
  };

  mail.onmessage = ({ data }) => hear(data as News);
  counter.onmessage = ({ data }) => {
    const word = data as Word;
    if (hub !== undefined) hub.take(word);
    else if (word.k === 'here') say({ k: 'hello', from: own });
  };
  return {
    isOneWay: false,
    send: (frame) => say({ k: 'frame', from: own, frame }),
    connect() {
      if (isConnecting) return void say({ k: 'connect' });
      isConnecting = true;
      // Who has the connection notices by this lock when the tab is gone.
      hold(own, () => {
        say({ k: 'hello', from: own });
        hold(name, () => {
          const tellOwn = (news: News): void => queueMicrotask(() => hear(news)); // as if it came from elsewhere
          hub = new Hub(
            tokens,
            locks,
            signal,
            (recall, heard) => {
              const opened = (upper: LineEvents) =>
                openLine({
                  ...upper,
                  frame(frame) {
                    heard(frame);
                    upper.frame(frame);
                  },
                });
              return openLive({ ...init, isOneWay: false, openLine: opened, recall }, tokens);
            },
            events.failed,
          );
          hub.welcome(own, tellOwn);
          counter.postMessage({ k: 'here' } satisfies Word);
        });
      });
    },
    close,
  };
}

/** Serves all tabs with one connection. */
class Hub {
  readonly #live: Live;
  readonly #tokens: SeenTokens;
  readonly #locks: Locks;
  readonly #signal: AbortSignal;
  readonly #tabs = new Map<string, Tab>();
  readonly #kept = new Map<string, Kept>();

  constructor(
    tokens: SeenTokens,
    locks: Locks,
    signal: AbortSignal,
    open: (recall: NonNullable<LiveInit['recall']>, heard: (frame: Frame) => void) => Live,
    failed: (error: Error) => void,
  ) {
    this.#tokens = tokens;
    this.#locks = locks;
    this.#signal = signal;
    this.#live = open(
      (channel, since) => this.#after(channel, since),
      (frame) => this.#keep(frame),
    );
    this.#live.on('state', (state) => {
      if (!signal.aborted) for (const { tell } of this.#tabs.values()) tell({ k: 'state', state });
    });
    this.#live.on('error', (error) => {
      if (!(error as Partial<RefusedError>).channel) failed(error); // who was refused is told by itself
    });
  }

  take(word: Word): void {
    if (word.k === 'connect') this.#live.reconnect();
    else if (word.k === 'hello') this.#greet(word.from);
    else if (word.k === 'frame') {
      const tab = this.#tabs.get(word.from);
      if (tab !== undefined) this.#serve(tab, word.frame);
    }
  }

  welcome(name: string, tell: Tab['tell']): void {
    this.#tabs.set(name, { tell, followed: new Map() });
    tell({ k: 'welcome', state: this.#live.state });
  }

  close(): void {
    this.#live.close();
  }

  #greet(name: string): void {
    if (this.#tabs.has(name)) return;
    const mail = new BroadcastChannel(name);
    this.welcome(name, (news) => mail.postMessage(news));
    // The tab holds this: to get it means that the tab is gone.
    const forget = async (): Promise<void> => {
      const subscriptions = [...(this.#tabs.get(name)?.followed.values() ?? [])];
      this.#tabs.delete(name);
      mail.close();
      for (const subscription of subscriptions) subscription.close();
    };
    this.#locks.request(name, { signal: this.#signal }, forget).catch(() => undefined); // it was closed before
  }

  #serve(tab: Tab, frame: Upward): void {
    if (frame.t === 'sub') {
      for (const channel of frame.c) this.#follow(tab, channel, frame.since[channel], frame.presence);
    } else if (frame.t === 'unsub') {
      tab.followed.get(frame.c)?.close();
      tab.followed.delete(frame.c);
    } else if (frame.t === 'pub' || frame.t === 'presence') {
      void this.#answer(frame).then((answer) => answer && tab.tell({ k: 'frame', frame: answer }));
    }
  }

  #follow({ tell, followed }: Tab, c: string, since: string | undefined, presence?: boolean): void {
    const before = followed.get(c);
    const send = (frame: Frame): void => tell({ k: 'frame', frame });
    const { text } = this.#tokens;
    const options: InnerOptions = {
      since,
      presence,
      onStart: (i, recovered) => send({ t: 'sub', c, i, recovered, token: text() }),
      onReset: ({ position: i, reason }) => send({ t: 'reset', c, i, reason, token: text() }),
      onMessage: ({ position: i, data: d, token }: Message) => send({ t: 'm', c, i, d, token }),
      onEnd(reason) {
        if (reason !== undefined) send({ t: 'unsub', c, reason });
      },
    };
    followed.set(c, this.#live.subscribe(c, options));
    before?.close(); // only now, so that the channel need not be left for it
  }

  async #answer(request: Request): Promise<Answer | undefined> {
    const { t, id, c } = request;
    try {
      if (t === 'pub') {
        const { position: i, duplicate } = await this.#live.publish(c, request.d, { key: request.key });
        return { t: 'ack', id, i, duplicate };
      }
      const { position: i, ...present } = await this.#live.presence(c);
      return { t, id, i, ...present };
    } catch (cause) {
      const { reason: code, message } = cause as RefusedError;
      // Where it is closed, the next one who has the connection is asked.
      return code === undefined ? undefined : { t: 'err', id, code, message };
    }
  }

  #keep(frame: Frame): void {
    if ((frame.t !== 'm' && frame.t !== 'sub' && frame.t !== 'reset') || frame.c === undefined || !frame.i)
      return;
    let kept = this.#kept.get(frame.c);
    if (kept === undefined || (frame.t !== 'm' && !frame.recovered)) {
      kept = { from: frame.t === 'm' ? undefined : frame.i, messages: [] };
      this.#kept.set(frame.c, kept);
    }
    if (frame.t === 'm' && kept.messages.push(frame) > keptMessages) kept.from = kept.messages.shift()?.i;
  }

  /** What followed a position; undefined when that is not known. */
  #after(channel: string, since: string): readonly MessageFrame[] | undefined {
    const { from, messages = [] } = this.#kept.get(channel) ?? {};
    if (since === from) return messages;
    const index = messages.findIndex(({ i }) => i === since);
    return index === -1 ? undefined : messages.slice(index + 1);
  }
}
