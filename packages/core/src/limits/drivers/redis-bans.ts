import type { Signalled } from '../../kernel/abort.js';
import type { RedisFloor, RedisScript, RedisSubscription } from '../../redis/ports.js';
import {
  type BanChange,
  type BanEntry,
  type BanList,
  type BanListener,
  type BanNews,
  type BanStore,
  MAX_BANS,
} from '../ban-store.js';
import banSource from './lua/ban-2.lua';

const banScript: RedisScript = { name: 'limits-ban', source: banSource, keyCount: 2 };

/** Bans that one command reads: it holds up others for less than a millisecond. */
const PAGE = 1_000;
/** Nobody's request waits for these calls. */
const timeoutMs = 2_000;

/** When it ends or 0, when it began, and why. */
type Value = readonly [ends: number, began: number, reason: string];

/** Creates a store of bans that all instances share. The floor is neither started nor closed here. */
export function createRedisBans(redis: RedisFloor): BanStore {
  return new RedisBans(redis);
}

class RedisBans implements BanStore {
  readonly #redis: RedisFloor;
  readonly #keys: readonly [subjects: string, values: string];
  readonly #channel: string;
  #listening: Disposable | undefined;
  #subscription: RedisSubscription | undefined;

  constructor(redis: RedisFloor) {
    this.#redis = redis;
    this.#keys = [redis.keys.atomic('limits', 'bans'), redis.keys.atomic('limits', 'bans', 'values')];
    this.#channel = redis.keys.atomic('limits', 'bans', 'news');
  }

  async start(listener: BanListener, options?: Signalled): Promise<void> {
    this.#listening = this.#redis.events.on('live', () => listener(undefined));
    const hear = (payload: Buffer) => listener(readNews(payload.toString()));
    this.#subscription = await this.#redis.subscribe(this.#channel, hear, options);
  }

  async change(change: BanChange, options?: Signalled): Promise<BanNews | undefined> {
    const { subject } = change;
    const what = change.isBanned ? ['ban', change.forMs ?? '', change.reason ?? ''] : ['lift', '', ''];
    const args = [subject, ...what, this.#channel, MAX_BANS];
    const reply = await this.#redis.run(banScript, this.#keys, args, { ...options, timeoutMs });
    return reply === null ? undefined : readNews(reply as string);
  }

  async read(known: number, options?: Signalled): Promise<BanList | undefined> {
    const [, values] = this.#keys;
    const bounded = { ...options, timeoutMs };
    const [stored, time] = await this.#redis.batch([['HGET', values, ''], ['TIME']], bounded);
    const version = Number(stored ?? 0);
    if (version === known) return undefined;
    const [seconds = '0', micros = '0'] = time as readonly string[];
    const now = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    const bans: BanEntry[] = [];
    let cursor = '0';
    do {
      const page = await this.#redis.call(['HSCAN', values, cursor, 'COUNT', PAGE], bounded);
      const [next, fields] = page as readonly [string, readonly string[]];
      for (let index = 0; index < fields.length; index += 2) {
        const subject = fields[index] as string;
        if (subject === '') continue; // the version
        const ban = entryOf(subject, JSON.parse(fields[index + 1] as string) as Value, now);
        if (ban.leftMs === undefined || ban.leftMs > 0) bans.push(ban);
      }
      cursor = next;
    } while (cursor !== '0');
    return { version, bans };
  }

  async close(): Promise<void> {
    this.#listening?.[Symbol.dispose]();
    await this.#subscription?.close();
  }
}

function readNews(payload: string): BanNews {
  const [previous, version, now, subject, value] = JSON.parse(payload) as [
    number,
    number,
    number,
    string,
    Value | false,
  ];
  return { previous, version, subject, ban: value === false ? undefined : entryOf(subject, value, now) };
}

function entryOf(subject: string, [ends, bannedAt, reason]: Value, now: number): BanEntry {
  return { subject, reason: reason || undefined, bannedAt, leftMs: ends === 0 ? undefined : ends - now };
}
