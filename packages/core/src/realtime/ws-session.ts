import type { Contexts } from '../kernel/context.js';
import { ClosedError, messageOf } from '../kernel/errors.js';
import type { Logger } from '../kernel/logger.js';
import type { Socket } from '../kernel/outlet.js';
import { isPresenceChannel, subjectOf } from './channel-name.js';
import { bringsBack, type CloseCode, closeCodes } from './close-codes.js';
import type { ChannelAction, SocketConnection, SocketSession } from './connection.js';
import type { Format } from './hub/entry.js';
import type { Hub } from './hub/hub.js';
import type { Beating } from './hub/pulse.js';
import type { Reader, Sink, Start } from './hub/reader.js';
import type { Published, PublishOptions, Reset } from './message.js';
import { Outbox, type OutboxLimits } from './outbox.js';
import type { Presence } from './presence/presence.js';
import type { Roster } from './presence/roster.js';
import type { RealtimeMetrics } from './realtime-metrics.js';
import type { EndReason } from './reasons.js';
import { placeOf } from './resume.js';
import { type Hearer, Inbox } from './ws-inbox.js';
import {
  type ClientFrame,
  formatServerFrame,
  framedWs,
  parseClientFrame,
  type RequestId,
  rawWs,
  type ServerFrame,
} from './ws-protocol.js';
import { codeOf, explanations } from './ws-refusals.js';

/** What all sockets share. */
export interface WsEnvironment extends OutboxLimits {
  readonly hub: Hub;
  readonly roster: Roster;
  readonly metrics: RealtimeMetrics;
  readonly logger: Logger;
  readonly contexts: Contexts;
  readonly pingMs: number;
  readonly maxMessageBytes: number;
  readonly maxChannels: number;
  /** A delay for the client's next attempt, another one each time. */
  retryMs(): number;
  publish(channel: string, event: unknown, options: PublishOptions): Promise<Published>;
  presence(channel: string): Promise<Presence>;
  /** `comesBack`: whether its client was told to. */
  onEnded(connection: WsConnection, comesBack: boolean): void;
}

/** Pings without any sign of life after which the peer counts as gone. */
const MAX_MISSED = 2;
/** Frames of one client that may wait, for authorisation or for the log, before it is told to slow down. */
const MAX_INBOX = 256;
/** Bytes that may wait for a client which asks faster than it reads. Messages of channels never come near: they park first. */
const MAX_UNREAD_BYTES = 2_097_152;
/** How long a client's messages wait for the channels it starts with: Redis may be away. */
const START_WAIT_MS = 1_000;

/** One WebSocket connection. */
export class WsConnection implements SocketConnection, Sink<Buffer>, Beating, Hearer {
  readonly id: string;
  readonly transport = 'ws';
  readonly format: Format<Buffer>;
  slot = 0;
  readonly #env: WsEnvironment;
  readonly #socket: Socket;
  readonly #session: SocketSession;
  readonly #outbox: Outbox;
  readonly #readers = new Map<string, Reader<Buffer>>();
  readonly #inbox: Inbox = new Inbox(this);
  /** Publishes whose answer is under way. */
  #unanswered = 0;
  #missed = 0;
  #pingDueAt: number;
  #abort: AbortController | undefined;
  #isEnded = false;

  constructor(id: string, socket: Socket, session: SocketSession, env: WsEnvironment) {
    this.id = id;
    this.format = session.protocol === 'raw' ? rawWs : framedWs;
    this.#env = env;
    this.#socket = socket;
    this.#session = session;
    this.#outbox = new Outbox(socket, env, env.hub.pulse);
    this.#pingDueAt = env.hub.pulse.now + env.pingMs;
  }

  get identity(): unknown {
    return this.#session.identity;
  }

  get channels(): readonly string[] {
    return [...this.#readers.keys()];
  }

  get isFull(): boolean {
    return this.#outbox.isFull;
  }

  open(): void {
    const { hub, pingMs } = this.#env;
    this.#socket.onClose(() => this.#detach());
    if (this.#isEnded) return; // it had closed already
    this.#socket.onMessage((data) => this.#receive(data));
    this.#socket.onPong(() => {
      this.#missed = 0;
    });
    this.#socket.onDrain(() => this.#drained());
    const { channels = [], presence } = this.#session;
    this.#inbox.await(channels.length);
    hub.pulse.schedule(this, channels.length === 0 ? pingMs : Math.min(pingMs, START_WAIT_MS));
    for (const channel of channels) this.#follow(channel, undefined, undefined);
    if (presence !== undefined) void this.#appear(channels);
  }

  send(data: string): boolean {
    this.#answer(Buffer.from(data));
    return !this.#isEnded;
  }

  updatePresence(channel: string, info: unknown): boolean {
    return this.#env.roster.update(this, channel, info);
  }

  close(code?: number, reason = ''): void {
    this.#end(code === undefined ? closeCodes.goingAway : { code, reason }, 'close');
  }

  /** Asks the client to come back, to another instance, after a delay of its own. */
  leave(): void {
    this.#tell({ t: 'bye', afterMs: Math.round(this.#env.retryMs()) });
    this.#end(closeCodes.restart, 'drain');
  }

  // What channels say

  onStart(reader: Reader<Buffer>, { position, recovered, reason }: Start): void {
    const id = reader.tag as RequestId | undefined;
    this.#tell({ t: 'sub', id, c: reader.channel.name, i: position, recovered, reason });
    if (id === undefined) this.#inbox.begun();
  }

  onFrames(_reader: Reader<Buffer>, frames: readonly Buffer[]): void {
    for (const frame of frames) this.#write(frame);
  }

  onReset(_reader: Reader<Buffer>, { channel, reason, position }: Reset): void {
    // Without a protocol there is no other way to say it.
    if (this.format === rawWs) this.#end(closeCodes.reset, 'reset');
    else this.#tell({ t: 'reset', c: channel, i: position, reason });
  }

  beat(): number {
    const { hub, pingMs } = this.#env;
    if (this.#inbox.isHeld) this.#inbox.release();
    if (this.#outbox.isStuck()) this.#cut('stuck');
    else if (this.#missed >= MAX_MISSED) this.#cut('dead');
    else if (hub.pulse.now >= this.#pingDueAt) {
      this.#missed++;
      this.#pingDueAt = hub.pulse.now + pingMs;
      this.#socket.ping();
    }
    if (this.#isEnded) return 0;
    const nextMs = Math.max(1, this.#pingDueAt - hub.pulse.now);
    return Math.min(nextMs, this.#outbox.lookMs ?? nextMs);
  }

  // What the client says

  #receive(data: string | Uint8Array): void {
    if (this.#isEnded) return;
    this.#missed = 0;
    const isText = typeof data === 'string';
    const bytes = isText ? Buffer.byteLength(data) : data.byteLength;
    if (bytes > this.#env.maxMessageBytes) this.#end(closeCodes.tooLarge, 'too-large');
    else if (!isText && this.format === framedWs) this.#end(closeCodes.protocol, 'protocol');
    else if (this.#inbox.length + this.#unanswered >= MAX_INBOX) this.#end(closeCodes.flood, 'flood');
    else {
      this.#inbox.push(isText ? data : Buffer.from(data).toString('utf8'));
    }
  }

  hear(frame: string): Promise<void> {
    const { contexts } = this.#env;
    this.#abort ??= new AbortController();
    // Not the upgrade request's context: a connection outlives it by hours.
    const context = contexts.open({ id: this.id, signal: this.#abort.signal });
    return contexts.run(context, () => (this.format === rawWs ? this.#hand(frame) : this.#handle(frame)));
  }

  async #hand(text: string): Promise<void> {
    try {
      await this.#session.onMessage?.(text, this);
    } catch (cause) {
      this.#env.logger.error({ connection: this.id, err: cause }, `onMessage failed: ${messageOf(cause)}`);
      this.#end(closeCodes.failed, 'failed');
    }
  }

  async #handle(text: string): Promise<void> {
    const frame = parseClientFrame(text);
    switch (frame.t) {
      case 'ping':
        return this.#tell({ t: 'pong', id: frame.id });
      case 'sub':
        return await this.#subscribe(frame);
      case 'unsub':
        return this.#unsubscribe(frame);
      case 'pub':
        return await this.#publish(frame);
      case 'presence':
        return await this.#list(frame);
      case 'refused':
        this.#tell({ t: 'err', id: frame.id, c: undefined, code: frame.code, message: frame.message });
        if (frame.isFatal) this.#end(closeCodes.protocol, 'protocol');
    }
  }

  async #subscribe({ id, channels, since, presence }: ClientFrame & { readonly t: 'sub' }): Promise<void> {
    for (const channel of channels) {
      if (this.#readers.has(channel)) this.#refuse(id, channel, 'already-subscribed');
      else if (this.#readers.size >= this.#env.maxChannels) this.#refuse(id, channel, 'too-many-channels');
      else if (isPresenceChannel(channel)) {
        if (await this.#may(id, channel, 'presence')) this.#follow(channel, since.get(channel), id);
      } else if (await this.#may(id, channel, 'subscribe')) {
        if (!presence || (await this.#enter(id, channel))) this.#follow(channel, since.get(channel), id);
      }
      if (this.#isEnded) return;
    }
  }

  #unsubscribe({ id, channels }: ClientFrame & { readonly t: 'unsub' }): void {
    for (const channel of channels) {
      const reader = this.#readers.get(channel);
      if (reader === undefined) {
        this.#refuse(id, channel, 'not-subscribed');
        continue;
      }
      reader.close();
      this.#readers.delete(channel);
      this.#env.roster.leave(this, channel);
      this.#tell({ t: 'unsub', id, c: channel });
    }
  }

  async #publish({ id, channel, data, key }: ClientFrame & { readonly t: 'pub' }): Promise<void> {
    if (!(await this.#may(id, channel, 'publish')) || this.#isEnded) return;
    const published = this.#env.publish(channel, data, { id: key === undefined ? undefined : `c:${key}` });
    this.#answerWith(
      id,
      channel,
      published.then(({ position, duplicate }) => {
        return { t: 'ack', id, c: channel, i: position, duplicate: duplicate || undefined };
      }),
    );
  }

  async #list({ id, channel }: ClientFrame & { readonly t: 'presence' }): Promise<void> {
    if (!(await this.#may(id, channel, 'presence')) || this.#isEnded) return;
    const listed = this.#env.presence(channel);
    this.#answerWith(
      id,
      channel,
      listed.then(({ position, users, connections, members, truncated }) => {
        return { t: 'presence', id, c: channel, i: position, users, connections, members, truncated };
      }),
    );
  }

  /** The next frame need not wait for the answer: order is kept from here on by the publisher. */
  #answerWith(id: RequestId | undefined, channel: string, answer: Promise<ServerFrame>): void {
    this.#unanswered++;
    answer
      .then((frame) => this.#tell(frame))
      .catch((cause: unknown) => {
        const code = codeOf(cause);
        if (code === 'failed') this.#complain('a request failed', channel, cause);
        this.#refuse(id, channel, code);
      })
      .finally(() => {
        this.#unanswered--;
      });
  }

  /** Is present on the channels that it starts with. Never rejects. */
  async #appear(channels: readonly string[]): Promise<void> {
    for (const channel of channels) {
      if (isPresenceChannel(channel)) continue;
      try {
        const who = await this.#session.presence?.(this.identity, channel);
        if (who !== false && this.#readers.has(channel)) this.#env.roster.enter(this, channel, who);
      } catch (cause) {
        this.#complain('presence failed', channel, cause);
      }
      if (this.#isEnded) return;
    }
  }

  /** Is present on a channel that it asks for, and tells the client if it may not. */
  async #enter(id: RequestId | undefined, channel: string): Promise<boolean> {
    if (!(await this.#may(id, channel, 'presence'))) return false;
    try {
      const who = await this.#session.presence?.(this.identity, channel);
      if (this.#isEnded) return false;
      if (who !== false) this.#env.roster.enter(this, channel, who);
      else this.#refuse(id, channel, 'forbidden');
      return who !== false;
    } catch (cause) {
      this.#complain('presence failed', channel, cause);
      this.#refuse(id, channel, 'failed');
      return false;
    }
  }

  /** Asks the application, and tells the client if the answer is no. */
  async #may(id: RequestId | undefined, channel: string, action: ChannelAction): Promise<boolean> {
    const { authorize, identity } = this.#session;
    const subject = subjectOf(channel);
    try {
      const answer = await authorize?.(identity, subject, action);
      const isAsked = answer !== undefined || action !== 'presence';
      // Nothing is allowed that nobody has allowed.
      if ((isAsked ? answer : await authorize?.(identity, subject, 'subscribe')) === true) return true;
      this.#refuse(id, channel, 'forbidden');
    } catch (cause) {
      this.#complain('authorize failed', channel, cause);
      this.#refuse(id, channel, 'failed');
    }
    return false;
  }

  #follow(channel: string, since: string | undefined, id: RequestId | undefined): void {
    if (this.#isEnded) return;
    if (isPresenceChannel(channel)) this.#env.roster.wake();
    const reader = this.#env.hub.reader(channel, this, placeOf(since), id);
    this.#readers.set(channel, reader);
    reader.join();
  }

  // What goes out

  #complain(what: string, channel: string, cause: unknown): void {
    this.#env.logger.error({ connection: this.id, channel, err: cause }, `${what}: ${messageOf(cause)}`);
  }

  #refuse(id: RequestId | undefined, channel: string, code: keyof typeof explanations): void {
    this.#tell({ t: 'err', id, c: channel, code, message: explanations[code] });
  }

  #tell(frame: ServerFrame): void {
    if (this.format === framedWs) this.#answer(formatServerFrame(frame));
  }

  #answer(bytes: Buffer): void {
    if (this.#socket.queuedBytes > MAX_UNREAD_BYTES) this.#end(closeCodes.slow, 'stuck');
    else this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    if (this.#isEnded) return;
    const { hub, metrics } = this.#env;
    metrics.writes.ws.add();
    const isFirstRefusal = this.#outbox.noteWrite(bytes.length, this.#socket.send(bytes));
    if (isFirstRefusal) hub.pulse.schedule(this, this.#outbox.lookMs ?? 1);
  }

  #drained(): void {
    this.#outbox.noteDrain();
    for (const reader of this.#readers.values()) reader.resume();
  }

  #end({ code, reason }: Pick<CloseCode, 'code' | 'reason'>, why: EndReason): void {
    if (this.#isEnded) return;
    this.#env.metrics.ended(why);
    this.#detach(bringsBack(code)); // first: a socket may call back from within its close
    this.#socket.close(code, reason);
  }

  /** The peer does not read, or is not there: a closing handshake would not get through. */
  #cut(why: EndReason): void {
    this.#socket.terminate();
    this.#env.metrics.ended(why);
    this.#detach();
  }

  #detach(comesBack = false): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#env.hub.pulse.remove(this);
    for (const reader of this.#readers.values()) reader.close();
    this.#inbox.clear();
    this.#abort?.abort(new ClosedError('The connection'));
    this.#env.onEnded(this, comesBack);
  }
}
