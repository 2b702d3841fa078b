import { emptyToken } from '../../kernel/token.js';
import type { RedisArgument, RedisScript } from '../../redis/ports.js';
import { laterToken } from '../later-token.js';
import { packHeader } from '../packing.js';
import type { Appended, AppendOptions, OutgoingMessage, Retention } from '../ports.js';
import appendSource from './lua/append-3.lua';
import appendKeyedSource from './lua/append-8.lua';
import logSource from './lua/log-0.lua';
import seenSource from './lua/seen-0.lua';
import type { RedisChannels } from './redis-channels.js';
import { seenArguments } from './seen.js';

const appendScript: RedisScript = { name: 'realtime-append', source: logSource + appendSource, keyCount: 3 };
const appendKeyedScript: RedisScript = {
  name: 'realtime-append-keyed',
  source: logSource + seenSource + appendKeyedSource,
  keyCount: 8,
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
    return seen.length > 0 || messages.some(({ id }) => id !== undefined)
      ? await this.#appendKeyed(channels, channel, messages, seen, options)
      : await this.#append(channels, channel, messages, options);
  }

  /** Nothing is looked up, and nothing remembered besides. */
  async #append(
    channels: RedisChannels,
    channel: string,
    messages: readonly OutgoingMessage[],
    options: AppendOptions,
  ): Promise<readonly Appended[]> {
    const entry = Buffer.concat([this.#header, ...messages.map(({ packed }) => packed)]);
    const args = [...this.#keepArguments(channels, channel, options), entry];
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

  async #appendKeyed(
    channels: RedisChannels,
    channel: string,
    messages: readonly OutgoingMessage[],
    seen: readonly RedisArgument[],
    options: AppendOptions,
  ): Promise<readonly Appended[]> {
    const { idempotencyMs, heldIdMs } = this.#retention;
    const args = this.#keepArguments(channels, channel, options);
    args.push(idempotencyMs, heldIdMs, channel, this.#header, seen.length, ...seen);
    for (const { id, isHeld, packed } of messages) args.push(id ?? '', isHeld ? 'held' : '', packed);
    const keys = [
      ...channels.logKeys(channel),
      channels.key('ids', channel),
      channels.key('ids-before', channel),
      ...channels.heldKeys(),
      channels.key('seen', channel),
    ];
    const reply = await run(channels, appendKeyedScript, keys, args, options);
    return readAppended(reply as readonly string[], messages);
  }

  /** What both scripts begin with: where to announce, and what to keep. */
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
      const [entry = '', slot = '-', life = lineage] = place.split(' ');
      appended = {
        id: entry,
        index: slot === '-' ? undefined : Number(slot),
        lineage: life,
        duplicate: true,
      };
    }
    if (key !== undefined) byKey.set(key, appended);
    return appended;
  });
}
