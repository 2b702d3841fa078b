import { ClosedError, messageOf } from '../kernel/errors.js';
import type { Socket } from '../kernel/outlet.js';
import { textFrame } from '../kernel/text-frames.js';
import { isPresenceChannel, presenceChannel } from './channel-name.js';
import { bringsBack, type CloseCode, closeCodes } from './close-codes.js';
import type { Overrun, Refreshed, SocketConnection, SocketSession } from './connection.js';
import type { Served } from './connections.js';
import { framedWs, rawWs } from './formats/ws.js';
import { type Seen, textOf } from './hub/channel-token.js';
import type { Format } from './hub/entry.js';
import type { Gathering } from './hub/hub.js';
import type { Beating } from './hub/pulse.js';
import type { Reader, Sink, Start } from './hub/reader.js';
import type { Lifetime } from './lifetime.js';
import type { Reset } from './message.js';
import { Outbox } from './outbox.js';
import type { EndReason, LimitReason } from './reasons.js';
import { placeOf } from './resume.js';
import type { WsEnvironment } from './ws-environment.js';
import { type Hearer, Inbox } from './ws-inbox.js';
import { Pace } from './ws-pace.js';
import { formatServerFrame, parseClientFrame, type RequestId, type ServerFrame } from './ws-protocol.js';
import { overrunFrame } from './ws-refusals.js';
import { type Asker, WsRequests } from './ws-requests.js';

/** Pings without any sign of life after which the peer counts as gone. */
const MAX_MISSED = 2;
/** Frames of one client that may wait, for authorisation or for the log, before it is told to slow down. */
const MAX_INBOX = 256;
/** Bytes that may wait for a client which asks faster than it reads. Messages of channels never come near: they park first. */
const MAX_UNREAD_BYTES = 2_097_152;
/** How long a client's messages wait for the channels it starts with: Redis may be away. */
const START_WAIT_MS = 1_000;
/** How long a client may be connected without having asked for anything. */
const MAX_IDLE_MS = 30_000;
/** How long a client may go on with what has expired, if it can hand in what is fresh: a round trip or two. */
const GRACE_MS = 5_000;

/** One WebSocket connection. */
export class WsConnection
  implements SocketConnection, Served, Sink<Buffer>, Gathering, Beating, Hearer, Asker
{
  readonly id: string;
  readonly transport = 'ws';
  readonly address: string | undefined;
  readonly format: Format<unknown, Buffer>;
  slot = 0;
  readonly #env: WsEnvironment;
  readonly #socket: Socket;
  readonly #session: SocketSession;
  readonly #outbox: Outbox<Uint8Array>;
  readonly #readers = new Map<string, Reader<Buffer>>();
  readonly #inbox: Inbox = new Inbox(this);
  /** Made when the client first asks for something: most listen only. */
  #requests: WsRequests | undefined;
  #missed = 0;
  #pingDueAt: number;
  #abort: AbortController | undefined;
  #identity: unknown;
  #user: string | undefined;
  revocations = 0;
  /** Made when the client first says something. */
  #pace: Pace | undefined;
  /** Infinity once it has asked for something, or has been given it. */
  #idleAt: number;
  #lifetime: Lifetime | undefined;
  /** Whether the hub will call {@link WsConnection.settle}. */
  #isTouched = false;
  #isEnded = false;

  constructor(id: string, socket: Socket, session: SocketSession, env: WsEnvironment) {
    this.id = id;
    this.format = session.protocol === 'raw' ? rawWs : framedWs;
    this.#env = env;
    this.#socket = socket;
    this.#session = session;
    this.#identity = session.identity;
    this.#user = env.userOf(session.identity);
    this.address = session.address;
    const { now } = env.hub.pulse;
    const isServed = session.protocol === 'raw' || (session.channels ?? []).length > 0;
    this.#idleAt = isServed ? Number.POSITIVE_INFINITY : now + MAX_IDLE_MS;
    this.#lifetime = env.lifetimes.begin(this.#expiry(session.expiresAt));
    this.#outbox = new Outbox(socket, env, env.hub.pulse);
    this.#pingDueAt = env.hub.pulse.now + env.pingMs;
  }

  get user(): string | undefined {
    return this.#user;
  }

  get identity(): unknown {
    return this.#identity;
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
    const { channels = [], presence, expiresAt } = this.#session;
    this.#inbox.await(channels.length);
    hub.pulse.schedule(this, channels.length === 0 ? this.#nextMs() : Math.min(pingMs, START_WAIT_MS));
    if (expiresAt !== undefined) this.tell({ t: 'auth', id: undefined, expiresAt });
    for (const channel of channels) this.follow(channel, undefined, undefined);
    if (presence !== undefined) void this.#asking.appear(channels);
  }

  send(data: string): boolean {
    this.#idleAt = Number.POSITIVE_INFINITY;
    this.#answer(Buffer.from(data));
    return !this.#isEnded;
  }

  updatePresence(channel: string, info: unknown): boolean {
    return this.#env.roster.update(this, channel, info);
  }

  close(code?: number, reason = ''): void {
    this.end(code === undefined ? closeCodes.goingAway : { code, reason }, 'close');
  }

  /** Asks the client to come back, to another instance, after a delay of its own. */
  leave(why: EndReason = 'drain'): void {
    this.tell({ t: 'bye', afterMs: Math.round(this.#env.retryMs()) });
    this.end(closeCodes.restart, why);
  }

  // What channels say

  onStart(reader: Reader<Buffer>, { position, recovered, reason, seen }: Start): void {
    const id = reader.tag as RequestId | undefined;
    const token = textOf(seen);
    this.tell({ t: 'sub', id, c: reader.channel.name, i: position, recovered, reason, token });
    if (id === undefined) this.#inbox.begun();
  }

  onBatch(_reader: Reader<Buffer>, batch: Buffer): void {
    this.#send(batch);
  }

  onReset(_reader: Reader<Buffer>, { channel, reason, position }: Reset, seen: Seen): void {
    // Without a protocol there is no other way to say it.
    if (this.format === rawWs) this.end(closeCodes.reset, 'reset');
    else this.tell({ t: 'reset', c: channel, i: position, reason, token: textOf(seen) });
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
    const due = this.#lifetime?.due(hub.pulse.now);
    if (due === 'expired') this.end(closeCodes.expired, due);
    else if (due === 'age') this.leave(due);
    else if (hub.pulse.now >= this.#idleAt) this.end(closeCodes.idle, 'idle');
    return this.#isEnded ? 0 : this.#nextMs();
  }

  #nextMs(): number {
    const { now } = this.#env.hub.pulse;
    const nextMs = this.#pingDueAt - now;
    return Math.max(
      1,
      Math.min(
        nextMs,
        this.#outbox.lookMs ?? nextMs,
        this.#idleAt - now,
        this.#lifetime?.leftMs(now) ?? nextMs,
      ),
    );
  }

  /** When what expires ends the connection. */
  #expiry(expiresAt: number | undefined): number | undefined {
    if (expiresAt === undefined) return undefined;
    const canRenew = this.format === framedWs && this.#session.refresh !== undefined;
    return this.#env.lifetimes.instant(expiresAt) + (canRenew ? GRACE_MS : 0);
  }

  // What the client says

  #receive(data: string | Uint8Array): void {
    if (this.#isEnded) return;
    this.#missed = 0;
    this.#idleAt = Number.POSITIVE_INFINITY;
    const isText = typeof data === 'string';
    const { now } = this.#env.hub.pulse;
    this.#pace ??= new Pace(this.#env.maxMessagesPerSecond, now);
    const bytes = isText ? Buffer.byteLength(data) : data.byteLength;
    if (bytes > this.#env.maxMessageBytes) this.end(closeCodes.tooLarge, 'too-large');
    else if (!isText && this.format === framedWs) this.end(closeCodes.protocol, 'protocol');
    else if (!this.#pace.takes(now)) this.#drop(data);
    else if (this.#inbox.length + (this.#requests?.unanswered ?? 0) >= MAX_INBOX)
      this.end(closeCodes.flood, 'flood');
    else {
      this.#inbox.push(isText ? data : Buffer.from(data).toString('utf8'));
    }
  }

  /** Faster than it may: not heard. Who waits for an answer gets one. */
  #drop(data: string | Uint8Array): void {
    const frame = this.format === framedWs && typeof data === 'string' ? parseClientFrame(data) : undefined;
    this.#limited('rate', { retryAfterMs: this.#pace?.retryAfterMs ?? 0 }, frame?.id, undefined);
  }

  limit(overrun: Overrun, id: RequestId | undefined, channel: string | undefined): void {
    this.#limited('policy', overrun, id, channel);
  }

  #limited(why: LimitReason, overrun: Overrun, id: RequestId | undefined, c: string | undefined): void {
    const { hub, metrics } = this.#env;
    metrics.limited(why);
    const consequence = this.#pace?.refuse(hub.pulse.now);
    if (consequence === 'close') this.end(closeCodes.rateLimited, 'rate-limited');
    else if (consequence === 'tell' || id !== undefined) {
      this.tell(overrunFrame(overrun, id, c));
      if (this.format === rawWs) this.#session.onLimited?.(overrun, this);
    }
  }

  hear(frame: string): Promise<void> {
    const { contexts } = this.#env;
    this.#abort ??= new AbortController();
    // Not the upgrade request's context: a connection outlives it by hours.
    const context = contexts.open({ id: this.id, signal: this.#abort.signal });
    return contexts.run(context, () =>
      this.format === rawWs ? this.#hand(frame) : this.#asking.hear(frame),
    );
  }

  async #hand(text: string): Promise<void> {
    try {
      const overrun = await this.#session.spend?.('message', this.#identity);
      if (overrun !== undefined) return this.limit(overrun, undefined, undefined);
      if (!this.#isEnded) await this.#session.onMessage?.(text, this);
    } catch (cause) {
      this.#env.logger.error({ connection: this.id, err: cause }, `onMessage failed: ${messageOf(cause)}`);
      this.end(closeCodes.failed, 'failed');
    }
  }

  // What its requests need of it

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get channelCount(): number {
    return this.#readers.size;
  }

  follows(channel: string): boolean {
    return this.#readers.has(channel);
  }

  follow(channel: string, since: string | undefined, id: RequestId | undefined): void {
    if (this.#isEnded) return;
    if (isPresenceChannel(channel)) this.#env.roster.wake();
    const reader = this.#env.hub.reader(channel, this, placeOf(since), id);
    this.#readers.set(channel, reader);
    reader.join();
  }

  unfollow(channel: string): boolean {
    const reader = this.#readers.get(channel);
    if (reader === undefined) return false;
    reader.close();
    this.#readers.delete(channel);
    this.#env.roster.leave(this, channel);
    return true;
  }

  renew({ identity, expiresAt }: Refreshed, askedAt: number): boolean {
    const { userOf, lifetimes, hub } = this.#env;
    const user = userOf(identity);
    if (user !== this.#user && !this.#become(user, askedAt)) return false;
    this.#identity = identity;
    const expiry = this.#expiry(expiresAt);
    if (this.#lifetime === undefined) this.#lifetime = lifetimes.begin(expiry);
    else this.#lifetime.renew(expiry ?? Number.POSITIVE_INFINITY);
    hub.pulse.schedule(this, this.#nextMs());
    return true;
  }

  /** Nobody may turn out to be somebody; somebody is never somebody else. */
  #become(user: string | undefined, askedAt: number): boolean {
    if (this.#user !== undefined || user === undefined) return false;
    return this.#env.identify(this, user, askedAt, () => {
      this.#user = user;
    });
  }

  disconnect(reason: string): void {
    this.end({ code: closeCodes.forbidden.code, reason }, 'forbidden');
  }

  revoke(channels: readonly string[]): void {
    this.revocations++;
    for (const channel of channels.flatMap((name) => [name, presenceChannel(name)])) {
      if (!this.follows(channel)) continue;
      if (this.format === framedWs) this.forbid(channel);
      else {
        this.leave('revoked'); // the only way to say it: its route decides again
        return;
      }
    }
  }

  forbid(channel: string): void {
    if (!this.unfollow(channel)) return;
    this.tell({ t: 'unsub', id: undefined, c: channel, reason: 'revoked' });
  }

  tell(frame: ServerFrame): void {
    if (this.format === framedWs) this.#answer(formatServerFrame(frame));
  }

  end({ code, reason }: Pick<CloseCode, 'code' | 'reason'>, why: EndReason): void {
    if (this.#isEnded) return;
    this.settle();
    this.#env.metrics.ended(why);
    this.#detach(bringsBack(code)); // first: a socket may call back from within its close
    this.#socket.close(code, reason);
  }

  get #asking(): WsRequests {
    this.#requests ??= new WsRequests(this, this.#session, this.#env);
    return this.#requests;
  }

  // What goes out

  #answer(message: Buffer): void {
    if (this.#outbox.unsentBytes > MAX_UNREAD_BYTES) this.end(closeCodes.slow, 'stuck');
    else this.#send(textFrame(message));
  }

  /** Gathers it for the end of the turn. */
  #send(frames: Uint8Array): void {
    if (this.#isEnded) return;
    this.#outbox.gather(frames);
    // Asked again after the write, a slow client's outbox says that it is full.
    if (this.#outbox.isHeavy) this.settle();
    else if (!this.#isTouched) {
      this.#isTouched = true;
      this.#env.hub.touch(this);
    }
  }

  settle(): void {
    this.#isTouched = false;
    if (this.#isEnded || this.#outbox.isEmpty) return;
    const { hub, metrics } = this.#env;
    metrics.writes.ws.add();
    if (this.#outbox.write()) hub.pulse.schedule(this, this.#outbox.lookMs ?? 1);
  }

  #drained(): void {
    this.#outbox.noteDrain();
    for (const reader of this.#readers.values()) reader.resume();
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
    this.#outbox.close();
    for (const reader of this.#readers.values()) reader.close();
    this.#inbox.clear();
    this.#abort?.abort(new ClosedError('The connection'));
    this.#env.onEnded(this, comesBack);
  }
}
