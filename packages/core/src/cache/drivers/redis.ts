import { randomInt } from 'node:crypto';
import type { Signalled } from '../../kernel/abort.js';
import { Events } from '../../kernel/events.js';
import { type DbPosition, emptyToken, mergeTokens } from '../../kernel/token.js';
import { isCluster } from '../../redis/client.js';
import { RedisUnavailableError } from '../../redis/errors.js';
import type {
  RedisArgument,
  RedisCommand,
  RedisFloor,
  RedisScript,
  RedisSubscription,
} from '../../redis/ports.js';
import { decodeDemand, encodeDemand } from '../demand.js';
import { MAX_EXPIRIES, parseExpiries } from '../expiries.js';
import type {
  Announcement,
  CacheClock,
  FollowReply,
  FollowRequest,
  InvalidationRequest,
  LoadStart,
  LogReply,
  ReadReply,
  SharedLevel,
  SharedLevelEvents,
  TagMove,
} from '../ports.js';
import beginSource from './lua/begin-3.lua';
import ensureSource from './lua/ensure-3.lua';
import followSource from './lua/follow-3.lua';
import invalidateSource from './lua/invalidate-3.lua';
import logSource from './lua/log-3.lua';
import releaseSource from './lua/release-1.lua';
import { Pipe } from './pipe.js';

/** How the shared level uses its Redis. */
export interface RedisLevelOptions {
  /** Whether the floor is started and closed with the level. */
  readonly ownsFloor: boolean;
  readonly doubtMs: number;
  /** Tags remembered; older ones count as invalidated. @defaultValue `100_000` */
  readonly maxTags?: number | undefined;
  readonly onError: (cause: unknown) => void;
}

const MAX_TAGS = 100_000;
/** Tags read from the log at once; with more to catch up with, it is cheaper to ask about those that are used. */
const MAX_MOVES = 10_000;
/** How long it is remembered that an unconfirmed invalidation was carried out. */
const SETTLED_SECONDS = 3_600;

const withState = (name: string, source: string): RedisScript => ({
  name,
  source: `${ensureSource}\n${source}`,
  keyCount: 3,
});
const beginScript = withState('begin', beginSource);
const invalidateScript = withState('invalidate', invalidateSource);
const followScript = withState('follow', followSource);
const logScript = withState('log', logSource);
const releaseScript: RedisScript = { name: 'release', source: releaseSource, keyCount: 1 };

/** The shared level in Redis. State and announcements live in one hash slot, values and leases anywhere. */
export class RedisLevel implements SharedLevel {
  readonly kind = 'redis';
  readonly events: Events<SharedLevelEvents>;
  readonly #floor: RedisFloor;
  readonly #options: RedisLevelOptions;
  readonly #stateKey: string;
  /** What the names of values begin with. */
  readonly #valuePrefix: string;
  readonly #stateKeys: readonly [state: string, demands: string, epoch: string];
  readonly #channel: string;
  /** For commands of which there may be many at once; on Cluster they go to any node, one by one. */
  readonly #pipe: Pipe | undefined;
  readonly #listeners: readonly Disposable[];
  #subscription: RedisSubscription | undefined;

  constructor(floor: RedisFloor, options: RedisLevelOptions) {
    const { keys, epochKey } = floor;
    this.events = new Events(options.onError);
    this.#floor = floor;
    this.#options = options;
    this.#stateKey = keys.atomic('cache', 'state');
    this.#valuePrefix = keys.spread('cache', 'v', '');
    this.#stateKeys = [this.#stateKey, keys.atomic('cache', 'demands'), epochKey];
    this.#channel = keys.atomic('cache', 'announcements');
    this.#pipe = isCluster(floor.client as Parameters<typeof isCluster>[0]) ? undefined : new Pipe(floor);
    this.#listeners = (['up', 'live', 'blind'] as const).map((name) =>
      floor.events.on(name, () => this.events.emit(name, {})),
    );
  }

  get isUp(): boolean {
    return this.#floor.isUp;
  }

  get isLive(): boolean {
    return this.#floor.isLive;
  }

  async start(options?: Signalled): Promise<void> {
    const listen = (payload: Buffer) => {
      const announcement = parseAnnouncement(payload.toString('utf8'));
      if (announcement !== undefined) this.events.emit('announcement', announcement);
    };
    this.#subscription = await this.#floor.subscribe(this.#channel, listen, options);
    if (this.#options.ownsFloor) await this.#floor.start(options);
  }

  async read(keys: readonly string[], ids: readonly string[]): Promise<ReadReply> {
    this.#pipe?.flush(); // leases come before what is read under them
    const names = keys.map((key) => this.#valueKey(key));
    const state = [
      ...ids.map((id) => ['EXISTS', this.#settledKey(id)] as const),
      ['ZMSCORE', this.#stateKey, '#e', '#s', '#f', `#m${this.#floor.epoch}`] as const,
    ];
    const buffers = { buffers: true };
    let values: readonly unknown[] = [];
    let replies: readonly unknown[];
    if (this.#pipe === undefined) {
      // Values lie in any slot: one command each.
      [values, replies] = await Promise.all([
        Promise.all(names.map((name) => this.#floor.call(['GET', name], buffers))),
        this.#floor.batch(state, buffers),
      ]);
    } else if (names.length === 0) {
      replies = await this.#floor.batch(state, buffers);
    } else {
      const [first, ...rest] = await this.#floor.batch([['MGET', ...names], ...state], buffers);
      values = first as readonly unknown[];
      replies = rest;
    }
    const head = (replies.at(-1) as readonly (Buffer | null)[]).map((score) => score?.toString());
    return {
      clock: head.includes(undefined) ? undefined : clockOf(head as string[]),
      values: values.map((value) => (value as Buffer | null) ?? undefined),
      settled: ids.map((_, index) => replies[index] === 1),
    };
  }

  async begin(tags: readonly string[]): Promise<LoadStart> {
    const reply = await this.#run(beginScript, [this.#options.doubtMs, ...tags]);
    const [inDoubt, sequences, demands, expiries] = reply.slice(3) as BeginReply;
    const moves: TagMove[] = [];
    for (const [index, tag] of tags.entries()) {
      const sequence = sequences[index];
      if (sequence != null) moves.push(moveOf(tag, sequence, expiries[index]));
    }
    const written = demands.reduce<readonly DbPosition[]>(
      (merged, demand) =>
        demand == null
          ? merged
          : mergeTokens({ ...emptyToken, db: merged }, { ...emptyToken, db: decodeDemand(demand) }).db,
      [],
    );
    return { clock: clockOf(reply as string[]), moves, written, inDoubt: inDoubt === 1 };
  }

  async invalidate({ tags, written, settles, expiredAt }: InvalidationRequest): Promise<CacheClock> {
    const maxTags = this.#options.maxTags ?? MAX_TAGS;
    const args = [
      ...[this.#channel, maxTags, encodeDemand(written), JSON.stringify(tags)],
      ...[expiredAt === undefined ? '' : Math.floor(expiredAt), MAX_EXPIRIES, ...tags],
    ];
    const clock = clockOf((await this.#run(invalidateScript, args)) as string[]);
    // Afterwards: an id that reads as settled is covered by the sequence read behind it.
    await this.#floor.batch(
      settles.map((id) => ['SET', this.#settledKey(id), '1', 'EX', SETTLED_SECONDS] as const),
    );
    return clock;
  }

  async log(after: number): Promise<LogReply> {
    const reply = await this.#run(logScript, [after, MAX_MOVES]);
    const [list, expiries] = reply.slice(3) as [(readonly string[])?, (readonly Nullable[])?];
    const moves: TagMove[] = [];
    for (let i = 0; list !== undefined && i < list.length; i += 2) {
      const member = list[i] as string;
      if (!member.startsWith('t')) continue;
      moves.push(moveOf(member.slice(1), list[i + 1] as string, expiries?.[i / 2]));
    }
    return { clock: clockOf(reply as string[]), moves: list && moves };
  }

  async follow({ shard, system, timeline, isOther }: FollowRequest): Promise<FollowReply> {
    const reply = await this.#run(followScript, [this.#channel, shard, system, timeline, isOther ? 1 : 0]);
    return { clock: clockOf(reply as string[]), isBehind: reply[3] === 1 };
  }

  async store(key: string, value: Buffer, ttlMs: number): Promise<void> {
    await this.#send(['SET', this.#valueKey(key), value, 'PX', ttlMs]);
  }

  async lease(key: string, holder: string, leaseMs: number): Promise<boolean> {
    return (await this.#send(['SET', this.#leaseKey(key), holder, 'NX', 'PX', leaseMs])) === 'OK';
  }

  async release(key: string, holder: string): Promise<void> {
    await this.#floor.run(releaseScript, [this.#leaseKey(key)], [holder]);
  }

  async renew(): Promise<void> {
    await this.#floor.renewEpoch(this.#floor.epoch ?? '');
  }

  async close(): Promise<void> {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    await this.#subscription?.close();
    if (this.#options.ownsFloor) await this.#floor.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Runs a script on the state; names the life of the data set first, where it has lost its name. */
  async #run(script: RedisScript, args: readonly RedisArgument[]): Promise<readonly unknown[]> {
    for (let attempt = 0; attempt < 2; attempt++) {
      const reply = await this.#floor.run(script, this.#stateKeys, [newEpoch(), ...args]);
      if (reply !== null) return reply as readonly unknown[];
      await this.renew();
    }
    throw new RedisUnavailableError(`Redis forgets what it is told; "${script.name}" was not carried out.`);
  }

  #send(command: RedisCommand): Promise<unknown> {
    return this.#pipe?.send(command) ?? this.#floor.call(command);
  }

  #valueKey(key: string): string {
    return this.#valuePrefix + key;
  }

  #leaseKey(key: string): string {
    return this.#floor.keys.spread('cache', 'l', key);
  }

  #settledKey(id: string): string {
    return this.#floor.keys.atomic('cache', 'settled', id);
  }
}

type Nullable = string | null;
type BeginReply = [inDoubt: number, sequences: Nullable[], demands: Nullable[], expiries: Nullable[]];

function newEpoch(): string {
  return String(randomInt(1, 2 ** 48 - 1));
}

function clockOf([epoch = '', sequence, floor]: readonly string[]): CacheClock {
  return { epoch, sequence: Number(sequence), floor: Number(floor) };
}

/** What is remembered of a tag's expiries holds while the last of them is its last move. */
function moveOf(tag: string, sequence: string, text: Nullable | undefined): TagMove {
  const expiries = text == null ? undefined : parseExpiries(text);
  const isExpired = expiries?.soft.at(-1)?.sequence === Number(sequence);
  return isExpired ? [tag, Number(sequence), expiries] : [tag, Number(sequence)];
}

/** Undefined for what is no announcement, or one of another version: what it says is missing then, and will be asked for. */
function parseAnnouncement(text: string): Announcement | undefined {
  const match = /^(?:1|2(?= \d+ \d+ \d+ )) (\d+) (\d+) (?:(\d+) )?(\[.*\])$/s.exec(text);
  if (match === null) return undefined;
  const [, epoch = '', sequence, at, tags = ''] = match;
  try {
    const announcement = { epoch, sequence: Number(sequence), tags: JSON.parse(tags) as string[] };
    return at === undefined ? announcement : { ...announcement, expiredAt: Number(at) };
  } catch {
    return undefined;
  }
}
