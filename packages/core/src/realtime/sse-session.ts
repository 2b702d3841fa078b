import type { Outlet, Piece } from '../kernel/outlet.js';
import { SharedBytes } from '../kernel/shared-bytes.js';
import type { TokenCodec } from '../kernel/token-codec.js';
import { presenceChannel } from './channel-name.js';
import type { SseSession } from './connection.js';
import type { Served } from './connections.js';
import { cursorName, cursorPart, formatCursor } from './cursor.js';
import { envelopeSse, rawSse } from './formats/sse.js';
import { laterSeen, type Seen, textOf } from './hub/channel-token.js';
import type { Format } from './hub/entry.js';
import type { Gathering, Hub } from './hub/hub.js';
import type { Beating } from './hub/pulse.js';
import type { Reader, Sink, Start } from './hub/reader.js';
import type { Lifetime, Lifetimes } from './lifetime.js';
import type { Reset } from './message.js';
import { Outbox, type OutboxLimits } from './outbox.js';
import type { Roster } from './presence/roster.js';
import type { RealtimeMetrics } from './realtime-metrics.js';
import type { EndReason } from './reasons.js';
import { placesOf } from './resume.js';
import { formatSseEvent, formatSseRetry, sseHeartbeat } from './sse-format.js';

/** What all event streams share. */
export interface SseEnvironment extends OutboxLimits {
  readonly hub: Hub;
  readonly roster: Roster;
  readonly metrics: RealtimeMetrics;
  readonly lifetimes: Lifetimes;
  readonly heartbeatMs: number;
  /** Writes tokens. Absent: events carry none. */
  readonly tokens: TokenCodec | undefined;
  /** Who an identity is, where that can be told. */
  userOf(identity: unknown): string | undefined;
  /** A delay for the client's next attempt, another one each time. */
  retryMs(): number;
  /** `comesBack`: whether its client was told to. */
  onEnded(connection: SseConnection, comesBack: boolean): void;
}

/** What goes with a cursor where channels begin. An empty data line is needed: some clients ignore an id without data. */
const startData = (token: string): string => (token === '' ? '' : JSON.stringify({ t: token }));

const bytesOf = (text: string): SharedBytes => new SharedBytes(Buffer.from(text));

/** Ends before what expires: a client that comes back is asked again. Not all at once, where all were given the same time. */
const early = { earlierRatio: 0.1, atMostMs: 5_000 };

/** One server-sent event stream. */
export class SseConnection implements Served, Sink<SharedBytes>, Gathering, Beating {
  readonly id: string;
  readonly transport = 'sse';
  readonly identity: unknown;
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly channels: readonly string[];
  readonly format: Format<unknown, SharedBytes>;
  slot = 0;
  readonly #saysStarts: boolean;
  readonly #env: SseEnvironment;
  readonly #outlet: Outlet;
  readonly #outbox: Outbox<Piece>;
  #readers: readonly Reader<SharedBytes>[] = [];
  /** What channels have seen that began since the last cursor. */
  #begun: Seen | undefined;
  /** Whether a position has moved since the last cursor. */
  #hasMoved = false;
  /** Whether the hub will call {@link SseConnection.settle}. */
  #isTouched = false;
  #wroteAt: number;
  readonly #lifetime: Lifetime | undefined;
  #isEnded = false;

  constructor(id: string, outlet: Outlet, session: SseSession, env: SseEnvironment) {
    this.id = id;
    this.identity = session.identity;
    this.user = env.userOf(session.identity);
    this.address = session.address;
    this.channels = session.channels;
    this.format =
      (session.format ?? (session.channels.length === 1 ? 'raw' : 'envelope')) === 'raw'
        ? rawSse
        : envelopeSse;
    this.#saysStarts = this.format === envelopeSse && session.starts === true;
    this.#env = env;
    this.#outlet = outlet;
    this.#outbox = new Outbox(outlet, env, env.hub.pulse);
    this.#wroteAt = env.hub.pulse.now;
    const { expiresAt } = session;
    this.#lifetime = env.lifetimes.begin(
      expiresAt === undefined ? undefined : env.lifetimes.instant(expiresAt, early),
    );
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  get isFull(): boolean {
    return this.#outbox.isFull;
  }

  /** Sends the first bytes, then follows the channels from where the client had been. */
  open(lastEventId: string | undefined): void {
    const { hub, retryMs } = this.#env;
    this.#outlet.onDrain(() => this.#drained());
    this.#outlet.onClose(() => this.#detach());
    if (this.#isEnded) return; // it had closed already
    this.#send(bytesOf(`${formatSseRetry(retryMs())}: ok\n\n`));
    this.settle(); // at once: the answer's head leaves with it
    hub.pulse.schedule(this, this.#nextMs());
    const places = placesOf(this.channels, lastEventId);
    this.#readers = this.channels.map((channel, index) =>
      hub.reader(channel, this, places[index] ?? {}, cursorName(channel)),
    );
    for (const reader of this.#readers) reader.join();
  }

  onStart(reader: Reader<SharedBytes>, { position, recovered, reason, seen }: Start): void {
    const { name: channel } = reader.channel;
    if (reason !== undefined) this.#tellReset({ channel, reason, position }, seen);
    else if (this.#saysStarts) this.#tellStart({ c: channel, i: position, recovered, t: textOf(seen) });
    else if (!recovered && position !== '') this.#begin(position, seen);
  }

  onBatch(_reader: Reader<SharedBytes>, batch: SharedBytes): void {
    this.#hasMoved = this.format === envelopeSse;
    this.#send(batch);
  }

  onReset(_reader: Reader<SharedBytes>, reset: Reset, seen: Seen): void {
    this.#tellReset(reset, seen);
  }

  #tellReset({ channel, reason, position }: Omit<Reset, 'token'>, seen: Seen): void {
    const data = JSON.stringify({ c: channel, i: position, reason, t: textOf(seen) });
    const isRaw = this.format === rawSse;
    this.#hasMoved = !isRaw;
    this.#send(bytesOf(formatSseEvent({ event: 'reset', id: isRaw ? position : undefined, data })));
  }

  /** Where a channel begins, for clients that have asked to be told. */
  #tellStart(start: {
    readonly c: string;
    readonly i: string;
    readonly recovered: boolean;
    readonly t?: string | undefined;
  }): void {
    this.#hasMoved = true;
    this.#send(bytesOf(formatSseEvent({ event: 'sub', data: JSON.stringify(start) })));
  }

  settle(): void {
    this.#isTouched = false;
    if (this.#isEnded) return;
    const { hub, metrics } = this.#env;
    if (this.#hasMoved) this.#outbox.gather(bytesOf(formatSseEvent(this.#cursor())));
    this.#hasMoved = false;
    if (this.#outbox.isEmpty) return;
    this.#wroteAt = hub.pulse.now;
    metrics.writes.sse.add();
    if (this.#outbox.write()) hub.pulse.schedule(this, this.#outbox.lookMs ?? 1);
  }

  beat(): number {
    const { hub, heartbeatMs } = this.#env;
    if (this.#outbox.isStuck()) {
      this.#end('stuck');
      return 0;
    }
    const idleMs = hub.pulse.now - this.#wroteAt;
    if (idleMs >= heartbeatMs && this.#outbox.lookMs === undefined) this.#send(bytesOf(sseHeartbeat));
    const due = this.#lifetime?.due(hub.pulse.now);
    if (due !== undefined) this.leave(due);
    return this.#isEnded ? 0 : this.#nextMs();
  }

  #nextMs(): number {
    const { now } = this.#env.hub.pulse;
    const { heartbeatMs } = this.#env;
    const idleMs = now - this.#wroteAt;
    const nextMs = idleMs >= heartbeatMs ? heartbeatMs : heartbeatMs - idleMs;
    return Math.max(
      1,
      Math.min(nextMs, this.#outbox.lookMs ?? nextMs, this.#lifetime?.leftMs(now) ?? nextMs),
    );
  }

  updatePresence(channel: string, info: unknown): boolean {
    return this.#env.roster.update(this, channel, info);
  }

  close(): void {
    this.#end('close');
  }

  /** Asks the client to come back, to another instance, after a delay of its own. */
  leave(why: EndReason = 'drain'): void {
    this.#send(bytesOf(formatSseRetry(this.#env.retryMs())));
    this.#end(why);
  }

  /** There is no code for it: the client comes back, and the application says no. */
  disconnect(): void {
    this.leave('forbidden');
  }

  revoke(channels: readonly string[]): void {
    const follows = (channel: string): boolean => this.channels.includes(channel);
    if (channels.some((channel) => follows(channel) || follows(presenceChannel(channel))))
      this.leave('revoked');
  }

  /** All positions, as the id of an event that no listener sees. */
  #cursor(): { readonly event: string; readonly id: string; readonly data: string } {
    const groups = new Map<string, string>();
    for (const { position, tag } of this.#readers) {
      if (position === undefined) continue; // not known yet: the client begins there from its next connection on
      groups.set(
        position.lineage,
        (groups.get(position.lineage) ?? '') + cursorPart(tag as string, position),
      );
    }
    const data = startData(this.#begun?.text ?? '');
    this.#begun = undefined;
    return { event: 'cursor', id: formatCursor(groups), data };
  }

  /** From here on a reconnect loses nothing, even if no message has come. */
  #begin(position: string, seen: Seen): void {
    if (this.format === rawSse) {
      this.#send(bytesOf(formatSseEvent({ event: 'cursor', id: position, data: startData(seen.text) })));
    } else {
      // Not with its first messages: who is cut between those and a cursor would not know where to go on. Channels that
      // begin together share one.
      if (this.#begun === undefined) queueMicrotask(() => this.settle());
      this.#begun = this.#begun === undefined ? seen : laterSeen(this.#begun, seen, this.#env.tokens);
      this.#hasMoved = true;
    }
  }

  #send(bytes: SharedBytes): void {
    this.#outbox.gather(bytes);
    // Asked again after the write, a slow client's outbox says that it is full.
    if (this.#outbox.isHeavy) this.settle();
    else this.#touch();
  }

  #touch(): void {
    if (this.#isTouched || this.#isEnded) return;
    this.#isTouched = true;
    this.#env.hub.touch(this);
  }

  #drained(): void {
    this.#outbox.noteDrain();
    for (const reader of this.#readers) reader.resume();
  }

  #end(reason: EndReason): void {
    if (this.#isEnded) return;
    if (reason === 'stuck') {
      this.#outlet.destroy();
    } else {
      this.settle();
      this.#outlet.end();
    }
    this.#env.metrics.ended(reason);
    this.#detach();
  }

  #detach(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#env.hub.pulse.remove(this);
    this.#outbox.close();
    for (const reader of this.#readers) reader.close();
    this.#env.onEnded(this, true); // as the first bytes said
  }
}
