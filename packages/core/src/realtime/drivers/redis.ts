import type { Signalled } from '../../kernel/abort.js';
import type { RedisFloor, RedisScript } from '../../redis/ports.js';
import { RealtimeUnavailableError } from '../errors.js';
import { packHeader } from '../packing.js';
import type {
  Announcement,
  AnnounceOptions,
  Appended,
  AppendOptions,
  Broker,
  BrokerListener,
  BrokerSubscription,
  Head,
  HeldId,
  LogEntry,
  LogPage,
  OutgoingMessage,
  ReadOptions,
  Retention,
} from '../ports.js';
import { originId, unkept } from '../position.js';
import logSource from './lua/log-0.lua';
import readSource from './lua/read-4.lua';
import { plainPayloads, readPlain } from './plain-messages.js';
import { RedisAppends } from './redis-appends.js';
import { RedisChannels } from './redis-channels.js';
import { RedisPresence } from './redis-presence.js';
import { seenToken } from './seen.js';

const readScript: RedisScript = { name: 'realtime-read', source: logSource + readSource, keyCount: 4 };

const SPACE = 0x20;

/** Channels in Redis: a stream for the log, a string for its head, pub/sub for announcements. */
export class RedisBroker implements Broker {
  readonly self: string;
  readonly presence: RedisPresence;
  readonly #floor: RedisFloor;
  readonly #channels: RedisChannels;
  readonly #appends: RedisAppends;
  /** Whether the floor was opened for this room alone. */
  readonly #ownsFloor: boolean;
  readonly #retention: Retention;
  readonly #header: Buffer;
  readonly #listening: Disposable[] = [];
  #closing: Promise<void> | undefined;

  constructor(floor: RedisFloor, retention: Retention, { ownsFloor }: { readonly ownsFloor: boolean }) {
    this.#floor = floor;
    this.#ownsFloor = ownsFloor;
    this.#retention = retention;
    this.self = floor.fleet.self;
    this.#header = Buffer.from(packHeader(this.self));
    this.#channels = new RedisChannels(floor);
    this.#appends = new RedisAppends(floor, this.#channels, retention);
    this.presence = new RedisPresence(floor, this.#channels, retention);
  }

  get isLive(): boolean {
    return this.#floor.isUp && this.#floor.isLive;
  }

  async start(listener: BrokerListener, options?: Signalled): Promise<void> {
    const { events } = this.#floor;
    this.#listening.push(
      events.on('up', () => listener.onRestored()),
      events.on('live', () => listener.onRestored()),
      events.on('blind', () => listener.onBlind()),
    );
    if (this.#ownsFloor) await this.#floor.start(options);
  }

  append(
    channel: string,
    messages: readonly OutgoingMessage[],
    options: AppendOptions = {},
  ): Promise<readonly Appended[]> {
    return this.#channels.ask(`publishing to channel "${channel}" failed`, () =>
      this.#appends.append(channel, messages, options),
    );
  }

  together(send: () => void): void {
    this.#floor.together(send);
  }

  async announce(
    channel: string,
    messages: readonly OutgoingMessage[],
    { isPlain = false, signal }: AnnounceOptions = {},
  ): Promise<void> {
    const head = Buffer.from(`1 ${unkept} ${originId} ${originId} `);
    const packed = () => Buffer.concat([head, this.#header, ...messages.map((message) => message.packed)]);
    const payloads = isPlain ? plainPayloads(messages) : [packed()];
    const topic = isPlain ? channel : this.#channels.topic(channel);
    await this.#channels.ask(`publishing to channel "${channel}" failed`, () =>
      Promise.all(payloads.map((payload) => this.#floor.publish(topic, payload, { signal }))),
    );
  }

  async release(ids: readonly HeldId[], options?: Signalled): Promise<void> {
    const fields = ids.map(({ channel, id }) => `${channel} ${id}`);
    await this.#channels.ask('forgetting ids of events failed', () =>
      this.#floor.batch(
        this.#channels.heldKeys().map((key) => ['HDEL', key, ...fields] as const),
        options,
      ),
    );
  }

  async subscribe(
    channel: string,
    onEntry: (announcement: Announcement) => void,
    { isPlain = false, signal }: AnnounceOptions = {},
  ): Promise<BrokerSubscription> {
    const listener = (payload: Buffer): void => {
      const announcement = isPlain ? readPlain(payload) : readAnnouncement(payload);
      // A format of a newer release: the next announcement that can be read, or the sweep, finds the gap.
      if (announcement !== undefined) onEntry(announcement);
    };
    return await this.#channels.ask(`subscribing to channel "${channel}" failed`, () =>
      this.#floor.subscribe(isPlain ? channel : this.#channels.topic(channel), listener, { signal }),
    );
  }

  read(channel: string, { from, limit, signal }: ReadOptions): Promise<LogPage> {
    return this.#channels.ask(`reading the history of channel "${channel}" failed`, async () => {
      const args = [from ?? '', limit];
      const keys = [...this.#channels.logKeys(channel), this.#channels.key('seen', channel)];
      const reply = await this.#floor.run(readScript, keys, args, {
        signal,
        buffers: true,
      });
      const [lineage, head, entries, seen] = reply as ReadReply;
      return {
        lineage: lineage.toString(),
        head: head.toString(),
        entries: entries.map(readEntry),
        more: limit > 0 && entries.length >= limit,
        seen: seenToken(seen),
      };
    });
  }

  heads(channels: readonly string[], options?: Signalled): Promise<readonly Head[]> {
    return this.#channels.ask('asking where channels end failed', async () => {
      const { headTtlMs } = this.#retention;
      const commands = channels.map(
        (channel) => ['GETEX', this.#channels.key('head', channel), 'PX', headTtlMs] as const,
      );
      const replies = await this.#floor.batch([...commands, ['HGET', this.#floor.epochKey, 'id']], options);
      const epoch = replies.at(-1);
      if (epoch === null) throw await this.#epochLost();
      const lineage = lineageOf(String(epoch));
      return replies.slice(0, -1).map((id) => ({ lineage, id: id === null ? originId : String(id) }));
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const subscription of this.#listening) subscription[Symbol.dispose]();
    if (this.#ownsFloor) await this.#floor.close();
  }

  /** Begins a new epoch where the old one is gone; the error is for who asked meanwhile. */
  async #epochLost(): Promise<Error> {
    await this.#channels.renewEpoch();
    return new RealtimeUnavailableError(
      'asking where channels end failed',
      new Error('Redis has lost its data'),
    );
  }
}

/** The same as in the scripts. */
function lineageOf(epoch: string): string {
  return epoch.slice(0, 8);
}

type ReadReply = readonly [
  lineage: Buffer,
  head: Buffer,
  entries: readonly StreamEntry[],
  seen: readonly Buffer[],
];

type StreamEntry = readonly [id: Buffer, fields: readonly Buffer[]];

function readEntry([id, fields]: StreamEntry): LogEntry {
  const field = (name: string): Buffer | undefined => {
    for (let at = 0; at + 1 < fields.length; at += 2)
      if (fields[at]?.toString() === name) return fields[at + 1];
    return undefined;
  };
  return {
    id: id.toString(),
    prev: field('p')?.toString() ?? originId,
    packed: ownCopy(field('m') ?? Buffer.alloc(0)),
  };
}

/** "1 <lineage> <id> <prev> <packed>"; undefined for another version. */
function readAnnouncement(payload: Buffer): Announcement | undefined {
  const words: string[] = [];
  let at = 0;
  for (let word = 0; word < 4; word++) {
    const space = payload.indexOf(SPACE, at);
    if (space < 0) return undefined;
    words.push(payload.toString('latin1', at, space));
    at = space + 1;
  }
  const [version, lineage = '', id = '', prev = ''] = words;
  return version === '1' ? { lineage, id, prev, packed: ownCopy(payload.subarray(at)) } : undefined;
}

/** A slice of what the parser read would keep all of that in memory for as long as the entry lives. */
function ownCopy(bytes: Buffer): Buffer {
  return Buffer.from(bytes);
}
