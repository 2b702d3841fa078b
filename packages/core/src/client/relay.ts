import type { LiveState } from './api.js';
import { Connection, type ConnectionInit } from './connection.js';
import type { Environment } from './environment.js';
import { ConnectionFailedError } from './errors.js';
import type { Ask, Frame, MessageFrame, Request, Upward } from './frames.js';
import { isCovered } from './position.js';

/** Where subscriptions and callers ask, whoever holds the connection. */
export interface Line {
  ask(ask: Ask): void;
  /** Connects now, in place of any connection there is. */
  connect(): void;
  close(): void;
}

/** Who asks. */
export interface LineEvents {
  frame(frame: Frame): void;
  state(state: LiveState): void;
  failed(error: Error): void;
  /** The connection is held by somebody else now, who knows of nothing: ask for everything again. */
  moved(): void;
}

/** Messages of a channel that are kept, for who comes a little behind. */
const keptMessages = 128;
/** Requests that may be unanswered at a time: a server closes on who floods it. */
const maxInFlight = 64;
/** Why messages may be missing, where the server has not said it. */
const notResumed = 'not-resumed';

type Sub = Ask & { readonly t: 'sub' };
type Start = Frame & { readonly t: 'sub' };

/** One channel, as it comes over the connection. */
class Channel {
  /** Behind which message it stands; undefined until that is known. */
  position: string | undefined;
  /** Behind which message the kept ones begin. */
  from: string | undefined;
  readonly kept: MessageFrame[] = [];
  /** Whether it is followed on this connection. */
  isOn = false;
  presence = false;
  token: string | undefined;
  /** Who follows it, by key. */
  readonly followers = new Set<string>();
  /** Who has not been told yet where it begins. */
  waiting: Sub[] = [];

  restart(position: string): void {
    this.position = position;
    this.from = position;
    this.kept.length = 0;
  }

  /** False for what came already. */
  add(message: MessageFrame): boolean {
    if (message.i === '') return true; // nothing of this channel is kept
    if (this.position !== undefined && isCovered(message.i, this.position)) return false;
    this.position = message.i;
    if (this.kept.push(message) > keptMessages) this.from = this.kept.shift()?.i;
    return true;
  }

  /** What followed a position; undefined when that is not known. */
  after(since: string): readonly MessageFrame[] | undefined {
    if (since === this.from) return this.kept;
    const index = this.kept.findIndex(({ i }) => i === since);
    if (index !== -1) return this.kept.slice(index + 1);
    return this.position !== undefined && isCovered(this.position, since) ? [] : undefined;
  }
}

/** Shares one connection among all subscriptions, of however many tabs, and brings them over its reconnects. */
export class Relay implements Line {
  readonly #connection: Connection;
  readonly #events: LineEvents;
  readonly #environment: Environment;
  readonly #isOneWay: boolean;
  readonly #channels = new Map<string, Channel>();
  /** What has no answer yet. The first of them are under way. */
  readonly #requests = new Map<string, Request>();
  readonly #inFlight = new Set<string>();

  constructor(init: ConnectionInit, events: LineEvents) {
    this.#events = events;
    this.#environment = init.environment;
    this.#isOneWay = init.transport.isOneWay;
    this.#connection = new Connection(init, {
      opened: () => this.#opened(),
      frame: (frame) => this.#hear(frame),
      state: (state) => events.state(state),
      failed: (error) => events.failed(error),
    });
  }

  connect(): void {
    this.#connection.connect();
  }

  ask(ask: Ask): void {
    switch (ask.t) {
      case 'sub':
        return void this.#follow(ask);
      case 'unsub':
        return void this.#leave(ask.key, ask.c);
      case 'cancel':
        return void this.#requests.delete(ask.id);
      default:
        this.#requests.set(ask.id, ask);
        this.#pump();
    }
  }

  close(): void {
    this.#connection.close();
  }

  // What is asked

  #follow(sub: Sub): void {
    const channel = this.#channel(sub.c);
    const isNewlyPresent = sub.presence && !channel.presence;
    channel.followers.add(sub.key);
    channel.presence ||= sub.presence;
    if (channel.isOn && !isNewlyPresent) return void this.#answer(channel, sub);
    // Until it begins, the connection is to go on from the position that is furthest back.
    const { position = sub.since } = channel;
    if (channel.from === undefined && sub.since !== undefined && isCovered(sub.since, position as string)) {
      channel.position = sub.since;
    }
    const isAsked = channel.isOn || channel.waiting.length > 0;
    channel.waiting.push(sub);
    if (isAsked && !isNewlyPresent) return;
    if (isAsked) this.#send({ t: 'unsub', c: sub.c }); // who is present says so when it begins
    channel.isOn = false;
    this.#request([sub.c], channel.presence);
  }

  #leave(key: string, name: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined || !channel.followers.delete(key)) return;
    channel.waiting = channel.waiting.filter((sub) => sub.key !== key);
    // What comes over a stream does so whether anybody listens or not.
    if (channel.followers.size > 0 || this.#isOneWay) return;
    this.#channels.delete(name);
    this.#send({ t: 'unsub', c: name });
  }

  #request(names: readonly string[], presence: boolean): void {
    if (names.length === 0) return;
    const since: Record<string, string> = {};
    for (const name of names) {
      const position = this.#channels.get(name)?.position;
      if (position !== undefined) since[name] = position;
    }
    this.#send({ t: 'sub', id: 0, c: names, since, presence });
  }

  #pump(): void {
    for (const [id, request] of this.#requests) {
      if (this.#inFlight.size >= maxInFlight || !this.#connection.isOpen) return;
      if (this.#inFlight.has(id)) continue;
      this.#inFlight.add(id);
      this.#send(request);
    }
  }

  #send(frame: Upward): void {
    if (this.#connection.isOpen) this.#connection.send(frame);
  }

  // What comes

  #opened(): void {
    this.#inFlight.clear();
    for (const channel of this.#channels.values()) channel.isOn = false;
    for (const presence of [false, true]) {
      const wanted = [...this.#channels].filter(
        ([, channel]) => channel.presence === presence && channel.followers.size > 0,
      );
      this.#request(
        wanted.map(([name]) => name),
        presence,
      );
    }
    this.#pump();
  }

  #hear(frame: Frame): void {
    switch (frame.t) {
      case 'm':
        return void this.#message(frame);
      case 'sub':
        return void this.#start(frame);
      case 'reset': {
        const c = this.#nameOf(frame.c);
        const channel = this.#channel(c);
        // A stream says so in place of where the channel begins.
        if (!channel.isOn) return void this.#start({ ...frame, t: 'sub', recovered: false });
        channel.restart(frame.i);
        return void this.#events.frame({ ...frame, c });
      }
      case 'unsub':
        if (frame.reason === undefined) return; // the answer to what was asked
        this.#channels.delete(frame.c);
        break;
      case 'err':
        if (typeof frame.id === 'string') this.#answered(frame.id);
        else if (frame.c !== undefined) return void this.#notFollowed(frame.c, frame);
        break;
      case 'ack':
      case 'presence':
        this.#answered(frame.id);
    }
    this.#events.frame(frame);
  }

  #message(frame: MessageFrame): void {
    const c = this.#nameOf(frame.c);
    const message = { ...frame, c };
    if (this.#channel(c).add(message)) this.#events.frame(message);
  }

  #start(frame: Start): void {
    const { i, recovered, reason, token } = frame;
    const c = this.#nameOf(frame.c);
    const channel = this.#channel(c);
    const { position, waiting } = channel;
    channel.isOn = true;
    channel.token = token;
    const isGap = position !== undefined && (reason !== undefined || (!recovered && position !== i));
    if (isGap || channel.from === undefined) channel.restart(i);
    // Who waits hears it in the answer, and listens to nothing before.
    if (isGap) this.#events.frame({ t: 'reset', c, i, reason: reason ?? notResumed, token });
    channel.waiting = [];
    for (const sub of waiting) this.#answer(channel, sub, isGap ? (reason ?? notResumed) : undefined);
  }

  /** Tells a subscription where it begins, and what it has missed. */
  #answer(channel: Channel, { c, key, since }: Sub, lost?: string): void {
    const { position = '', token } = channel;
    const missed = since === undefined || lost !== undefined ? undefined : channel.after(since);
    const recovered = missed !== undefined;
    const reason = since === undefined || recovered ? undefined : (lost ?? notResumed);
    this.#events.frame({
      t: 'sub',
      key,
      c,
      i: recovered ? (since as string) : position,
      recovered,
      reason,
      token,
    });
    for (const message of missed ?? []) this.#events.frame({ ...message, key });
  }

  #notFollowed(name: string, { code, message }: Frame & { readonly t: 'err' }): void {
    if (code === 'already-subscribed' || code === 'not-subscribed') return;
    const { clock, random } = this.#environment;
    if (code === 'failed') {
      this.#events.failed(new ConnectionFailedError(`The channel ${name} cannot be followed: ${message}`));
      clock.after(1_000 + 1_000 * random(), () => {
        const channel = this.#channels.get(name);
        if (channel !== undefined && !channel.isOn) this.#request([name], channel.presence);
      });
      return;
    }
    this.#channels.delete(name);
    this.#events.frame({ t: 'unsub', c: name, reason: `${message} (${code})` });
  }

  #channel(name: string): Channel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      // What began without a name is what is asked for now.
      channel = this.#channels.get('') ?? new Channel();
      this.#channels.delete('');
      this.#channels.set(name, channel);
    }
    return channel;
  }

  /** A raw stream has one channel, and does not say which. */
  #nameOf(c: string | undefined): string {
    if (c !== undefined) return c;
    const [only = '', ...others] = this.#channels.keys();
    return others.length === 0 ? only : '';
  }

  #answered(id: string): void {
    this.#requests.delete(id);
    this.#inFlight.delete(id);
    this.#pump();
  }
}
