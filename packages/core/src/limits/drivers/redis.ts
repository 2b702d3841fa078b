import type { Signalled } from '../../kernel/abort.js';
import { isCluster } from '../../redis/client.js';
import type { RedisCallOptions, RedisFloor, RedisScript } from '../../redis/ports.js';
import { fnv1a } from '../fnv.js';
import type {
  Algorithm,
  AskKind,
  ForgottenCounter,
  ForgottenListener,
  LimitAsk,
  LimitRule,
  LimitStore,
  LimitVerdict,
  Loan,
} from '../ports.js';
import countSource from './lua/count-1.lua';
import spendSource from './lua/spend-1.lua';
import { evenTags } from './places.js';

/** What a store in Redis stands on. */
export interface RedisStoreInit {
  readonly redis: RedisFloor;
  /** Whether the store starts and closes the floor. */
  readonly isOwner: boolean;
  /** How long one call may wait for Redis. */
  readonly timeoutMs: number;
}

/** Creates a store in which all instances count together. */
export function createRedisStore(init: RedisStoreInit): LimitStore {
  return new RedisStore(init);
}

/** Both run with as many keys as they are given. */
const countScript: RedisScript = { name: 'limits-count', source: countSource };
const spendScript: RedisScript = { name: 'limits-spend', source: spendSource };

/** In a cluster: as many scripts as places go out where one would elsewhere, so not one for each slot. */
const clusterPlaces = 32;

const algorithms: Readonly<Record<Algorithm, number>> = { sliding: 1, strict: 2, fixed: 3, bucket: 4 };
const kinds: Readonly<Record<AskKind, number>> = {
  spend: 0,
  peek: 1,
  penalize: 2,
  reward: 3,
  block: 4,
  reset: 5,
  lend: 6,
  return: 7,
};
/** After these, a counter may allow more than it has said it would. */
const forgetting: ReadonlySet<AskKind> = new Set(['reward', 'block', 'reset']);
/** Whether others must hear of it. */
const isNews = ({ kind, rule }: LimitAsk): boolean =>
  forgetting.has(kind) || (kind === 'penalize' && rule.isLeased === true);
const separator = '\n';

class RedisStore implements LimitStore {
  readonly source = 'redis';
  readonly places: number;
  readonly #redis: RedisFloor;
  readonly #isOwner: boolean;
  readonly #within: RedisCallOptions;
  readonly #channel: string;
  /** What keys begin with, by place. */
  readonly #prefixes: readonly string[];
  readonly #listeners: ForgottenListener[] = [];
  readonly #forms = new WeakMap<LimitRule, RuleForm>();

  constructor({ redis, isOwner, timeoutMs }: RedisStoreInit) {
    this.#redis = redis;
    this.#isOwner = isOwner;
    this.#within = { timeoutMs };
    this.#channel = redis.keys.atomic('limits', 'forgotten');
    this.#prefixes = isCluster(redis.client as Parameters<typeof isCluster>[0])
      ? evenTags(clusterPlaces).map((tag) => redis.keys.spread('limits', `{${tag}}`, ''))
      : [redis.keys.spread('limits', '')];
    this.places = this.#prefixes.length;
  }

  get isUp(): boolean {
    return this.#redis.isUp;
  }

  get instances(): number {
    return Math.max(1, this.#redis.fleet.instances().length);
  }

  placeOf(rule: LimitRule, key: string): number {
    return this.places === 1 ? 0 : fnv1a(rule.id + key) % this.places;
  }

  async start(options?: Signalled): Promise<void> {
    this.#redis.events.on('live', () => this.#forgotten(undefined)); // announcements may have been missed until now
    await this.#redis.subscribe(this.#channel, (payload) => this.#hear(payload.toString()), options);
    if (this.#isOwner) await this.#redis.start(options);
  }

  async ask(asks: readonly LimitAsk[]): Promise<readonly LimitVerdict[]> {
    const [first] = asks;
    if (first === undefined) return [];
    const prefix = this.#prefixes[this.placeOf(first.rule, first.key)] as string;
    const reply = await (this.#spend(asks, prefix) ?? this.#count(asks, prefix));
    return readVerdicts(asks, reply as readonly number[]);
  }

  onForgotten(listener: ForgottenListener): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.#isOwner) await this.#redis.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Asks the script that spends and does nothing else; undefined where something else is asked. */
  #spend(asks: readonly LimitAsk[], prefix: string): Promise<unknown> | undefined {
    const keys: string[] = [];
    const rows: (string | number)[] = [];
    let last: LimitAsk | undefined;
    for (const ask of asks) {
      const { rule, kind, amount, key } = ask;
      if (kind !== 'spend') return undefined;
      if (rule !== last?.rule || amount !== last.amount) {
        const { single } = this.#formOf(rule);
        if (single === undefined) return undefined;
        rows.push(0, single.algorithm, single.windowMicros, single.limit, amount);
      }
      if (key === last?.key && rule === last.rule) return undefined; // a hot key: the other script reads it once for all
      keys.push(`${prefix}${rule.id}:${key}`);
      (rows[rows.length - 5] as number)++;
      last = ask;
    }
    return this.#redis.run(spendScript, keys, rows, this.#within);
  }

  async #count(asks: readonly LimitAsk[], prefix: string): Promise<unknown> {
    const call = new Call();
    for (const ask of asks) call.add(ask, prefix);
    const rules = `[${call.rules.map((rule) => this.#formOf(rule).json).join(',')}]`;
    const args = [rules, `[${call.asks.join(',')}]`];
    const reply = await this.#redis.run(countScript, call.keys, args, this.#within);
    if (asks.some(isNews)) this.#announce(asks);
    return reply;
  }

  #formOf(rule: LimitRule): RuleForm {
    let form = this.#forms.get(rule);
    if (form === undefined) {
      form = formOf(rule);
      this.#forms.set(rule, form);
    }
    return form;
  }

  /** Hints: who misses one goes on refusing, or spends what it was lent, for a bounded time. */
  #announce(asks: readonly LimitAsk[]): void {
    for (const ask of asks) {
      if (!isNews(ask)) continue;
      const payload = [ask.rule.id, ask.key, ask.kind].join(separator);
      this.#redis.publish(this.#channel, payload).catch(() => undefined);
    }
  }

  #hear(payload: string): void {
    const [id = '', key = '', kind] = payload.split(separator);
    this.#forgotten({ id, key, kind: kind as AskKind | undefined });
  }

  #forgotten(counter: ForgottenCounter | undefined): void {
    for (const listener of this.#listeners) listener(counter);
  }
}

/** A rule as the scripts read it. */
interface RuleForm {
  readonly json: string;
  /** Where the script for counters of one window knows it. */
  readonly single:
    | { readonly algorithm: number; readonly windowMicros: number; readonly limit: number }
    | undefined;
}

function formOf({ algorithm, windows }: LimitRule): RuleForm {
  const number = algorithms[algorithm];
  const flat = windows.flatMap(({ limit, windowMs }) => [windowMs * 1_000, limit]);
  const [windowMicros = 0, limit = 0] = flat;
  const isSingle = windows.length === 1 && algorithm !== 'strict';
  return {
    json: JSON.stringify([number, ...flat]),
    single: isSingle ? { algorithm: number, windowMicros, limit } : undefined,
  };
}

/** What one run of the script for everything is given. */
class Call {
  readonly keys: string[] = [];
  readonly rules: LimitRule[] = [];
  readonly asks: number[] = [];
  readonly #places = new Map<string, number>();

  add({ rule, key, kind, amount, wanted, parts, lentAt }: LimitAsk, prefix: string): void {
    const name = `${prefix}${rule.id}:${key}`;
    let place = this.#places.get(name);
    if (place === undefined) {
      place = this.keys.push(name);
      this.#places.set(name, place);
    }
    let number = this.rules.indexOf(rule) + 1;
    if (number === 0) number = this.rules.push(rule);
    this.asks.push(place, number * 8 + kinds[kind], amount);
    if (kind === 'lend') this.asks.push(wanted ?? 0, parts ?? 1);
    else if (kind === 'return') this.asks.push(lentAt ?? 0);
  }
}

function readVerdicts(asks: readonly LimitAsk[], reply: readonly number[]): readonly LimitVerdict[] {
  const verdicts: LimitVerdict[] = [];
  let index = 0;
  for (const { kind } of asks) {
    const place = reply[index] as number;
    const fits = place > 0;
    const verdict: LimitVerdict = {
      fits,
      window: Math.abs(place) - 1,
      remaining: reply[index + 1] as number,
      resetMs: reply[index + 2] as number,
    };
    verdicts.push(kind === 'lend' && fits ? { ...verdict, loan: readLoan(reply, index + 3) } : verdict);
    index += kind === 'lend' ? 6 : 3;
  }
  return verdicts;
}

function readLoan(reply: readonly number[], index: number): Loan {
  return {
    amount: reply[index] as number,
    forMs: (reply[index + 1] as number) / 1_000,
    lentAt: reply[index + 2] as number,
  };
}
