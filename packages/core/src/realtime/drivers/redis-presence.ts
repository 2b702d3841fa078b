import type { Signalled } from '../../kernel/abort.js';
import type { RedisArgument, RedisScript } from '../../redis/ports.js';
import { presenceChannel } from '../channel-name.js';
import { packHeader } from '../packing.js';
import type { Retention } from '../ports.js';
import type {
  PresenceChange,
  PresenceLease,
  PresencePage,
  PresenceStore,
  PresentUser,
  Renewal,
} from '../presence/ports.js';
import logSource from './lua/log-0.lua';
import changeSource from './lua/presence-change-7.lua';
import leaseSource from './lua/presence-lease-2.lua';
import readSource from './lua/presence-read-6.lua';
import type { RedisChannels } from './redis-channels.js';

const changeScript: RedisScript = {
  name: 'realtime-presence-change',
  source: logSource + changeSource,
  keyCount: 7,
};
const readScript: RedisScript = {
  name: 'realtime-presence-read',
  source: logSource + readSource,
  keyCount: 6,
};
const leaseScript: RedisScript = { name: 'realtime-presence-lease', source: leaseSource, keyCount: 2 };

/** Lives that one answer names, and channels and rows of one that are swept at a time. */
const MAX_LIVES = 64;
const MAX_CHANNELS = 128;
const MAX_ROWS = 256;

const signs = { enter: '+', update: '=', leave: '-' } as const;

/** Rows and users in two hashes a channel; leases, and who left rows where, in one sorted set each. */
export class RedisPresence implements PresenceStore {
  readonly #channels: RedisChannels;
  readonly #retention: Retention;
  readonly #header: string;
  readonly #leases: string;
  readonly #places: string;

  constructor(self: string, channels: RedisChannels, retention: Retention) {
    this.#channels = channels;
    this.#retention = retention;
    this.#header = packHeader(self);
    this.#leases = channels.key('presence-leases');
    this.#places = channels.key('presence-places');
  }

  async change(
    channel: string,
    life: string,
    changes: readonly PresenceChange[],
    options?: Signalled,
  ): Promise<boolean> {
    return (await this.#change(channel, life, 'alive', changes, options)).isDone;
  }

  read(channel: string, limit: number, options?: Signalled): Promise<PresencePage> {
    return this.#channels.ask(`reading who is on channel "${channel}" failed`, async () => {
      const { rows, users } = this.#keysOf(channel);
      const keys = [rows, users, this.#leases, ...this.#channels.logKeys(presenceChannel(channel))];
      const reply = await this.#channels.place.run(readScript, keys, [limit], options);
      const [lineage, head, userCount, connections, ended, listed] = reply as readonly [
        string,
        string,
        number,
        number,
        number,
        readonly string[],
      ];
      return {
        lineage,
        head,
        users: userCount,
        connections,
        listed: readUsers(listed),
        hasEnded: ended > 0,
      };
    });
  }

  renew({ life, leaseMs }: PresenceLease, options?: Signalled): Promise<Renewal> {
    return this.#channels.ask('renewing the lease of this instance failed', async () => {
      const args = [life, leaseMs, this.#retention.headTtlMs, MAX_LIVES];
      const reply = await this.#channels.place.run(leaseScript, [this.#leases, this.#places], args, options);
      const [held, ...ended] = reply as readonly [number, ...string[]];
      return { held: held === 1, ended };
    });
  }

  async sweep(life: string, options?: Signalled): Promise<number> {
    let removed = 0;
    for (let channels = await this.#placesOf(life, options); channels.length > 0; ) {
      for (const channel of channels) {
        const swept = await this.#sweepChannel(channel, life, options);
        removed += swept.left;
        if (!swept.isDone) return removed; // it lives after all
      }
      channels = await this.#placesOf(life, options);
    }
    return removed;
  }

  /** Removes what one life left on one channel, its place included. */
  async #sweepChannel(channel: string, life: string, options?: Signalled): Promise<Outcome> {
    let left = 0;
    let cursor = '0';
    do {
      const [next, rows] = await this.#rowsOf(channel, life, cursor, options);
      const changes = rows.map((row) => ({ kind: 'leave', row }) as const);
      const outcome = await this.#change(channel, life, 'dead', changes, options);
      left += outcome.left;
      if (!outcome.isDone) return { isDone: false, left };
      cursor = next;
    } while (cursor !== '0');
    return { isDone: true, left };
  }

  #change(
    channel: string,
    life: string,
    condition: 'alive' | 'dead',
    changes: readonly PresenceChange[],
    options?: Signalled,
  ): Promise<Outcome> {
    const followed = presenceChannel(channel);
    const { historyEntries, historyTtlMs, headTtlMs } = this.#retention;
    const args: RedisArgument[] = [
      this.#channels.topic(followed),
      historyEntries,
      historyTtlMs,
      headTtlMs,
      this.#header,
      channel,
      life,
      condition === 'alive' ? 1 : 0,
      headTtlMs,
    ];
    for (const change of changes) {
      const { user = '', info = '' } = change.kind === 'leave' ? {} : change;
      args.push(signs[change.kind], change.row, user, info);
    }
    return this.#channels.ask(`changing who is on channel "${channel}" failed`, async () => {
      const { rows, users } = this.#keysOf(channel);
      const keys = [rows, users, this.#leases, this.#places, ...this.#channels.logKeys(followed)];
      const [isDone, left] = (await this.#channels.place.run(changeScript, keys, args, options)) as [
        number,
        number,
      ];
      return { isDone: isDone === 1, left };
    });
  }

  #placesOf(life: string, options?: Signalled): Promise<readonly string[]> {
    return this.#channels.ask('asking what an instance left behind failed', async () => {
      // '!' is the character after the space.
      const range = [`[${life} `, `(${life}!`, 'LIMIT', 0, MAX_CHANNELS] as const;
      const places = await this.#channels.place.call(['ZRANGEBYLEX', this.#places, ...range], options);
      return (places as readonly string[]).map((place) => place.slice(life.length + 1));
    });
  }

  #rowsOf(
    channel: string,
    life: string,
    cursor: string,
    options?: Signalled,
  ): Promise<readonly [next: string, rows: readonly string[]]> {
    return this.#channels.ask(`asking what an instance left on channel "${channel}" failed`, async () => {
      const { rows } = this.#keysOf(channel);
      const match = ['MATCH', `${life}.*`, 'COUNT', MAX_ROWS] as const;
      const reply = await this.#channels.place.call(['HSCAN', rows, cursor, ...match], options);
      const [next, found] = reply as readonly [string, readonly string[]];
      return [next, found.filter((_, at) => at % 2 === 0)];
    });
  }

  #keysOf(channel: string): { readonly rows: string; readonly users: string } {
    return {
      rows: this.#channels.key('presence-rows', channel),
      users: this.#channels.key('presence-users', channel),
    };
  }
}

/** What one call changed. */
interface Outcome {
  /** Whether the life was as it had to be. */
  readonly isDone: boolean;
  readonly left: number;
}

/** Users, each followed by "<rows> <info>". */
function readUsers(listed: readonly string[]): readonly PresentUser[] {
  const users: PresentUser[] = [];
  for (let at = 0; at + 1 < listed.length; at += 2) {
    const value = listed[at + 1] ?? '';
    const space = value.indexOf(' ');
    users.push({
      user: listed[at] ?? '',
      connections: Number(value.slice(0, space)),
      info: value.slice(space + 1) || undefined,
    });
  }
  return users;
}
