import type { Signalled } from '../../kernel/abort.js';
import type { RedisFloor, RedisPlace, RedisScript } from '../../redis/ports.js';
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
import type { RedisChannels } from './redis-channels.js';
import { RedisPartitions } from './redis-partitions.js';
import { RedisPresence } from './redis-presence.js';
import { seenToken } from './seen.js';

const readScript: RedisScript = { name: 'realtime-read', source: logSource + readSource, keyCount: 4 };

const SPACE = 0x20;

/** Channels in Redis: a stream for the log, a string for its head, pub/sub for announcements. */
export class RedisBroker implements Broker {
  readonly self: string;
  readonly presence: RedisPresence;
  readonly #floor: RedisFloor;
  readonly #partitions: RedisPartitions;
  readonly #appends: RedisAppends;
  /** Whether the floor was opened for this room alone. */
  readonly #ownsFloor: boolean;
  readonly #retention: Retention;
  readonly #header: Buffer;
  readonly #listening: Disposable[] = [];
  #listener: BrokerListener | undefined;
  #closing: Promise<void> | undefined;

  constructor(floor: RedisFloor, retention: Retention, { ownsFloor }: { readonly ownsFloor: boolean }) {
    this.#floor = floor;
    this.#ownsFloor = ownsFloor;
    this.#retention = retention;
    this.self = floor.fleet.self;
    this.#header = Buffer.from(packHeader(this.self));
    this.#partitions = new RedisPartitions(floor, ({ place }) => this.#hear(place));
    this.#appends = new RedisAppends(this.self, retention);
    this.presence = new RedisPresence(this.self, this.#partitions.home, retention);
  }

  get isLive(): boolean {
    return this.#partitions.areLive;
  }

  get obstacle(): Error | undefined {
    return this.#partitions.slots.obstacle;
  }

  async start(listener: BrokerListener, options?: Signalled): Promise<void> {
    this.#listener = listener;
    this.#hear(this.#floor);
    this.#listening.push(this.#floor.events.on('up', () => void this.#prove()));
    if (this.#ownsFloor) await this.#floor.start(options);
    await this.#prove(options);
  }

  append(
    channel: string,
    messages: readonly OutgoingMessage[],
    options: AppendOptions = {},
  ): Promise<readonly Appended[]> {
    const channels = this.#partitions.of(channel);
    return channels.ask(`publishing to channel "${channel}" failed`, () =>
      this.#appends.append(channels, channel, messages, options),
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
    const channels = this.#channelsOf(channel, isPlain);
    const topic = isPlain ? channel : channels.topic(channel);
    await channels.ask(`publishing to channel "${channel}" failed`, () =>
      Promise.all(payloads.map((payload) => channels.place.publish(topic, payload, { signal }))),
    );
  }

  async release(ids: readonly HeldId[], options?: Signalled): Promise<void> {
    const { idempotencyMs } = this.#retention;
    const groups = [...this.#partitions.group(ids)];
    await Promise.all(
      groups.map(([channels, group]) => {
        const commands = group.map(
          ({ channel, id }) => ['PEXPIRE', channels.idKey(channel, id), idempotencyMs] as const,
        );
        return channels.ask('forgetting ids of events failed', () => channels.place.batch(commands, options));
      }),
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
    const channels = this.#channelsOf(channel, isPlain);
    const topic = isPlain ? channel : channels.topic(channel);
    const subscription = await channels.ask(`subscribing to channel "${channel}" failed`, () =>
      channels.place.subscribe(topic, listener, { signal }),
    );
    channels.listeners++;
    let isOpen = true;
    return {
      close: async () => {
        if (isOpen) channels.listeners--;
        isOpen = false;
        await subscription.close();
      },
    };
  }

  read(channel: string, { from, limit, maxBytes, signal }: ReadOptions): Promise<LogPage> {
    const channels = this.#partitions.of(channel);
    return channels.ask(`reading the history of channel "${channel}" failed`, async () => {
      const keys = [...channels.logKeys(channel), channels.key('seen', channel)];
      const args = [from ?? '', limit, maxBytes ?? Number.MAX_SAFE_INTEGER];
      const reply = await channels.place.run(readScript, keys, args, { signal, buffers: true });
      const [lineage, head, entries, seen, more] = reply as ReadReply;
      return {
        lineage: lineage.toString(),
        head: head.toString(),
        entries: entries.map(readEntry),
        more: more === 1,
        seen: seenToken(seen),
      };
    });
  }

  async heads(channels: readonly string[], options?: Signalled): Promise<readonly (Head | undefined)[]> {
    const heads: (Head | undefined)[] = new Array(channels.length);
    const groups = this.#partitions.group(channels.map((channel, at) => ({ channel, at })));
    const outcomes = await Promise.allSettled(
      Array.from(groups, async ([part, asked]) => {
        const found = await this.#headsIn(part, asked, options);
        for (const [index, { at }] of asked.entries()) heads[at] = found[index];
      }),
    );
    const [failure] = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    if (failure !== undefined && outcomes.every(({ status }) => status === 'rejected')) throw failure.reason;
    return heads;
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

  /** Who cannot be used now will be asked again, by whoever uses it. */
  async #prove({ signal }: Signalled = {}): Promise<void> {
    await this.#partitions.slots.prove({ signal }).catch(() => signal?.throwIfAborted());
  }

  /** What happens to a place may have happened to all that is in it. */
  #hear({ events }: RedisPlace): void {
    this.#listening.push(
      events.on('up', () => this.#listener?.onRestored()),
      events.on('live', () => this.#listener?.onRestored()),
      events.on('blind', () => this.#listener?.onBlind()),
    );
  }

  /** Others than Pando announce at the home alone. */
  #channelsOf(channel: string, isPlain: boolean): RedisChannels {
    return isPlain ? this.#partitions.home : this.#partitions.of(channel);
  }

  #headsIn(
    part: RedisChannels,
    asked: readonly { readonly channel: string }[],
    options?: Signalled,
  ): Promise<readonly Head[]> {
    const failure = 'asking where channels end failed';
    return part.ask(failure, async () => {
      const { headTtlMs } = this.#retention;
      const commands = asked.map(
        ({ channel }) => ['GETEX', part.key('head', channel), 'PX', headTtlMs] as const,
      );
      const replies = await part.place.batch([...commands, ['HGET', part.place.epochKey, 'id']], options);
      const epoch = replies.at(-1);
      if (epoch === null) {
        await part.renewEpoch();
        throw new RealtimeUnavailableError(failure, new Error('Redis has lost its data'));
      }
      const lineage = lineageOf(String(epoch));
      return replies.slice(0, -1).map((id) => ({ lineage, id: id === null ? originId : String(id) }));
    });
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
  more: number,
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
