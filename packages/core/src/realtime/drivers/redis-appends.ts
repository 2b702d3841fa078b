import { emptyToken } from '../../kernel/token.js';
import type { RedisArgument, RedisScript } from '../../redis/ports.js';
import { laterToken } from '../later-token.js';
import { packHeader } from '../packing.js';
import type { Appended, AppendOptions, OutgoingMessage, Retention } from '../ports.js';
import appendSource from './lua/append-3.lua';
import appendOneSource from './lua/append-4.lua';
import appendKeyedSource from './lua/append-5.lua';
import logSource from './lua/log-0.lua';
import seenSource from './lua/seen-0.lua';
import type { RedisChannels } from './redis-channels.js';
import { seenArguments } from './seen.js';

const appendScript: RedisScript = { name: 'realtime-append', source: logSource + appendSource, keyCount: 3 };
const appendOneScript: RedisScript = {
  name: 'realtime-append-one',
  source: logSource + appendOneSource,
  keyCount: 4,
};
const appendKeyedScript: RedisScript = {
  name: 'realtime-append-keyed',
  source: logSource + seenSource + appendKeyedSource,
};

/** Appends to the logs of channels: what a message does not use, it does not pay for. */
export class RedisAppends {
  readonly #retention: Retention;
  readonly #header: Buffer;

  constructor(self: string, retention: Retention) {
    this.#retention = retention;
    this.#header = Buffer.from(packHeader(self));
  }

  async append(
    channels: RedisChannels,
    channel: string,
    messages: readonly OutgoingMessage[],
    options: AppendOptions,
  ): Promise<readonly Appended[]> {
    const seen = seenArguments(
      messages.reduce((sum, { token = emptyToken }) => laterToken(sum, token), emptyToken),
    );
    const [first] = messages;
    if (seen.length > 0 || (messages.length > 1 && messages.some(({ id }) => id !== undefined)))
      return await this.#appendKeyed(channels, channel, messages, seen, options);
    return first?.id === undefined
      ? await this.#append(channels, channel, messages, options)
      : await this.#appendOne(channels, channel, first, first.id, options);
  }

  /** Nothing is looked up, and nothing remembered besides. */
  async #append(
    channels: RedisChannels,
    channel: string,
    messages: readonly OutgoingMessage[],
    options: AppendOptions,
  ): Promise<readonly Appended[]> {
    const args = [...this.#keepArguments(channels, channel, options), this.#pack(messages)];
    const reply = await run(channels, appendScript, channels.logKeys(channel), args, options);
    const [lineage = '', id = ''] = String(reply).split(' ');
    const last = messages.length - 1;
    return messages.map((_, at) => ({
      id,
      index: at === last ? undefined : at,
      lineage,
      duplicate: false,
    }));
  }

  /** The most frequent of those that have a key. */
  async #appendOne(
    channels: RedisChannels,
    channel: string,
    message: OutgoingMessage,
    key: string,
    options: AppendOptions,
  ): Promise<readonly Appended[]> {
    const args = this.#keepArguments(channels, channel, options);
    args.push(this.#pack([message]), this.#lifeOf(message));
    const keys = [...channels.logKeys(channel), channels.idKey(channel, key)];
    const reply = String(await run(channels, appendOneScript, keys, args, options));
    if (reply.startsWith('=')) return [readPlace(reply.slice(1))];
    const [lineage = '', id = ''] = reply.split(' ');
    return [{ id, index: undefined, lineage, duplicate: false }];
  }

  async #appendKeyed(
    channels: RedisChannels,
    channel: string,
    messages: readonly OutgoingMessage[],
    seen: readonly RedisArgument[],
    options: AppendOptions,
  ): Promise<readonly Appended[]> {
    const args = this.#keepArguments(channels, channel, options);
    args.push(this.#header, seen.length, ...seen);
    const keys = [...channels.logKeys(channel), channels.key('seen', channel)];
    for (const message of messages) {
      args.push(this.#lifeOf(message), message.packed);
      if (message.id !== undefined) keys.push(channels.idKey(channel, message.id));
    }
    const reply = await run(channels, appendKeyedScript, keys, args, options);
    return readAppended(reply as readonly string[], messages);
  }

  /** How long the message's key is remembered; empty where it has none. */
  #lifeOf({ id, isHeld }: OutgoingMessage): RedisArgument {
    if (id === undefined) return '';
    return isHeld ? this.#retention.heldIdMs : this.#retention.idempotencyMs;
  }

  #pack(messages: readonly OutgoingMessage[]): Buffer {
    return Buffer.concat([this.#header, ...messages.map(({ packed }) => packed)]);
  }

  /** What all scripts begin with: where to announce, and what to keep. */
  #keepArguments(channels: RedisChannels, channel: string, { history }: AppendOptions): RedisArgument[] {
    const { historyEntries, historyTtlMs, headTtlMs } = this.#retention;
    const { entries = historyEntries, ttlMs = historyTtlMs } = history ?? {};
    return [channels.announce, channels.topic(channel), entries, ttlMs, headTtlMs];
  }
}

function run(
  { place }: RedisChannels,
  script: RedisScript,
  keys: readonly string[],
  args: readonly RedisArgument[],
  { durability, signal }: AppendOptions,
): Promise<unknown> {
  return durability === undefined
    ? place.run(script, keys, args, { signal })
    : place.runConfirmed(script, keys, args, durability, { signal });
}

function readAppended(
  [lineage = '', id = '', ...known]: readonly string[],
  messages: readonly OutgoingMessage[],
): readonly Appended[] {
  const added = known.filter((place) => place === '').length;
  const byKey = new Map<string, Appended>();
  let index = 0;
  return known.map((place, at) => {
    const key = messages[at]?.id;
    let appended: Appended;
    if (place === '') {
      appended = { id, index: index === added - 1 ? undefined : index, lineage, duplicate: false };
      index++;
    } else if (place === 'same') {
      // Its twin came earlier in this very append.
      appended = { ...(byKey.get(key ?? '') as Appended), duplicate: true };
    } else {
      appended = readPlace(place);
    }
    if (key !== undefined) byKey.set(key, appended);
    return appended;
  });
}

/** Where a message went whose key was known: "<entry> <index or '-'> <lineage>". */
function readPlace(place: string): Appended {
  const [id = '', slot = '-', lineage = ''] = place.split(' ');
  return { id, index: slot === '-' ? undefined : Number(slot), lineage, duplicate: true };
}
