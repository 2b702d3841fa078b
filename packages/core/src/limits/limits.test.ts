import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes, RateLimiterUnion } from 'rate-limiter-flexible';
import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { noopLogger } from '../kernel/logger.js';
import { createMemoryRegistry, createMetrics } from '../metrics/index.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createLimiter } from './drivers/limiter.js';
import { createMemoryStore } from './drivers/memory.js';
import { createMemoryBans } from './drivers/memory-bans.js';
import {
  createLimits,
  createMemoryWorld,
  type Decision,
  type ForgottenListener,
  type LimitAsk,
  type LimitRule,
  type LimitStore,
  type Limits,
  type LimitsOptions,
  type PolicyOption,
} from './index.js';
import { LimitsRoom } from './limits.js';
import { resolveLimitsOptions } from './options.js';

const limitsOf = (policies: Record<string, PolicyOption>, options: LimitsOptions = {}) =>
  createLimits({ policies, ...options });

describe('a decision', () => {
  it('allows until the limit is spent, then refuses and tells when to come back', async () => {
    const limits = limitsOf({ write: '2/min' });
    expect(await limits.consume('write', 'ann')).toEqual({
      allowed: true,
      policy: 'write',
      limit: 2,
      windowMs: 60_000,
      remaining: 1,
      resetMs: 60_000,
      retryAfterMs: 0,
      source: 'memory',
    });
    await limits.consume('write', 'ann');
    const refused = await limits.consume('write', 'ann');
    expect(refused).toMatchObject({ allowed: false, remaining: 0, source: 'memory' });
    expect(refused.retryAfterMs).toBe(refused.resetMs);
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect((await limits.consume('write', 'ben')).allowed).toBe(true);
  });

  it('takes the cost into account', async () => {
    const limits = limitsOf({ write: '10/min' });
    expect(await limits.consume('write', 'ann', { cost: 7 })).toMatchObject({ allowed: true, remaining: 3 });
    expect(await limits.consume('write', 'ann', { cost: 4 })).toMatchObject({ allowed: false, remaining: 3 });
    expect(await limits.consume('write', 'ann', { cost: 3 })).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('is about the window that is nearest to refusing, or that refuses for longest', async () => {
    const limits = limitsOf({ write: ['2/s', '3/min', '100/h'] });
    expect(await limits.consume('write', 'ann')).toMatchObject({ limit: 2, remaining: 1 });
    await limits.consume('write', 'ann');
    expect(await limits.consume('write', 'ann')).toMatchObject({ allowed: false, limit: 2 });
    expect(await limits.consume('write', 'ben', { cost: 4 })).toMatchObject({ allowed: false, limit: 3 });
  });

  it('is the same for rooms that share a world', async () => {
    const world = createMemoryWorld();
    const rooms = [0, 1].map(() => createLimits({ policies: { write: '3/min' } }, { world }));
    const decisions: Decision[] = [];
    for (let call = 0; call < 6; call++)
      decisions.push(await (rooms[call % 2] as Limits).consume('write', 'ann'));
    expect(decisions.map(({ allowed }) => allowed)).toEqual([true, true, true, false, false, false]);
  });

  it('counts in the metrics', async () => {
    const registry = createMemoryRegistry();
    const kernel = createKernel({ meter: createMetrics({ registry }).meter });
    const limits = createLimits({ policies: { write: '1/min' } }, { kernel });
    for (let call = 0; call < 3; call++) await limits.consume('write', 'ann');
    const value = (outcome: string) =>
      registry.value('pando_limits_decisions_total', { policy: 'write', outcome, source: 'memory' });
    expect(await value('allowed')).toBe(1);
    expect(await value('refused')).toBe(2);
    expect(await registry.value('pando_limits_decision_duration_seconds_count')).toBe(3);
  });
});

describe('wrong use', () => {
  it('of a policy is thrown at once, naming the nearest', () => {
    const limits = limitsOf({ write: '1/s', login: '1/s' });
    expect(() => limits.consume('wirte', 'ann')).toThrow(
      'There is no limit policy "wirte". Did you mean "write"?',
    );
    expect(() => limits.policy('something')).toThrow('There are: login, write.');
    expect(() => limitsOf({}).policy('x')).toThrow('There are none. Add it to limits.policies.');
    expect(() => limits.policy('toString')).toThrow('There is no limit policy');
    expect(limits.policy('login').windows).toEqual([{ limit: 1, windowMs: 1_000 }]);
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e308, '2' as never, null as never])(
    'of the cost, such as %s, is thrown at once',
    (cost) => {
      const limits = limitsOf({ write: '1/s' });
      expect(() => limits.consume('write', 'ann', { cost })).toThrow('must be a whole number of at least 1');
    },
  );

  it.each(['', undefined as never])('of the key, such as %j, is thrown at once', (key) => {
    expect(() => limitsOf({ write: '1/s' }).consume('write', key)).toThrow('must be a non-empty string');
  });

  it('after close is rejected', async () => {
    const limits = limitsOf({ write: '1/s' });
    await limits.close();
    await expect(limits.consume('write', 'ann')).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });

  it('is not an aborted signal: that rejects with its reason', async () => {
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(limitsOf({ write: '1/s' }).consume('write', 'ann', { signal })).rejects.toThrow('gone');
  });
});

/** A room over a store that pretends to be Redis. */
function shaky(policies: Record<string, PolicyOption>) {
  const clock = createFakeClock();
  const memory = createMemoryStore({ clock, maxKeys: 10 });
  const state = { isUp: true, fails: false, instances: 1 };
  const asked: LimitAsk[] = [];
  const listeners: ForgottenListener[] = [];
  const store: LimitStore = {
    source: 'redis',
    get isUp() {
      return state.isUp;
    },
    get instances() {
      return state.instances;
    },
    start: async () => undefined,
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
    onForgotten: (listener) => void listeners.push(listener),
    ask(asks) {
      asked.push(...asks);
      return state.fails ? Promise.reject(new Error('no answer')) : memory.ask(asks);
    },
  };
  const warnings: string[] = [];
  const logger = { ...noopLogger, warn: (_: object, message: string) => void warnings.push(message) };
  const room = new LimitsRoom({
    kernel: createKernel({ clock, logger }),
    policies: resolveLimitsOptions({ policies }).policies,
    store,
    local: createMemoryStore({ clock, maxKeys: 10 }),
    bans: createMemoryBans(createMemoryWorld().bans, clock),
    limiter: createLimiter,
  });
  const forget: ForgottenListener = (counter) => {
    for (const listener of listeners) listener(counter);
  };
  return { room, state, warnings, clock, asked, memory, forget };
}

describe('a key that is known to be over its limit', () => {
  const policies = { write: { windows: '2/min', algorithm: 'fixed' } } as const;
  const id = 'write:fixed.1aao';

  const overLimit = async () => {
    const setting = shaky(policies);
    for (let call = 0; call < 3; call++) await setting.room.consume('write', 'ann');
    expect(setting.asked).toHaveLength(3);
    return setting;
  };

  it('is refused without asking, with the time that is left', async () => {
    const { room, clock, asked } = await overLimit();
    await clock.advance(4_000);
    const { retryAfterMs, ...decision } = await room.consume('write', 'ann');
    expect(decision).toMatchObject({ allowed: false, source: 'denied', limit: 2, remaining: 0 });
    expect(retryAfterMs).toBe(56_000);
    expect(asked).toHaveLength(3);
    expect((await room.consume('write', 'ben')).source).toBe('redis');
  });

  it('is asked about again after ten seconds, and when there is room', async () => {
    const { room, clock, asked } = await overLimit();
    await clock.advance(10_000);
    expect((await room.consume('write', 'ann')).source).toBe('redis');
    expect((await room.consume('write', 'ann')).source).toBe('denied');
    expect(asked).toHaveLength(4);
    await clock.advance(50_000);
    expect(await room.consume('write', 'ann')).toMatchObject({ allowed: true, source: 'redis' });
  });

  it('is asked about for what costs less than what was refused', async () => {
    const { room } = shaky(policies);
    await room.consume('write', 'ann');
    expect(await room.consume('write', 'ann', { cost: 2 })).toMatchObject({ allowed: false });
    expect(await room.consume('write', 'ann', { cost: 2 })).toMatchObject({ source: 'denied' });
    expect(await room.consume('write', 'ann')).toMatchObject({ allowed: true, source: 'redis' });
  });

  it.each<[string, (setting: Awaited<ReturnType<typeof overLimit>>) => Promise<unknown> | unknown]>([
    ['this instance resets it', ({ room }) => room.reset('write', 'ann')],
    ['this instance gives back', ({ room }) => room.reward('write', 'ann', 1)],
    ['another instance says so', ({ forget }) => forget({ id, key: 'ann' })],
    ['announcements were missed', ({ forget }) => forget(undefined)],
  ])('is asked about again when %s', async (_, act) => {
    const setting = await overLimit();
    expect((await setting.room.consume('write', 'ann')).source).toBe('denied');
    await act(setting);
    expect((await setting.room.consume('write', 'ann')).source).toBe('redis');
  });

  it('stays so when another key is reset', async () => {
    const { room, forget } = await overLimit();
    forget({ id, key: 'ben' });
    forget({ id: 'other:fixed.1aao', key: 'ann' });
    expect((await room.consume('write', 'ann')).source).toBe('denied');
  });

  it('is not made so by a refusal that is older than its reset', async () => {
    const { room, forget, memory } = shaky(policies);
    for (let call = 0; call < 2; call++) await room.consume('write', 'ann');
    const refused = room.consume('write', 'ann');
    await Promise.resolve();
    forget({ id, key: 'ann' });
    expect((await refused).allowed).toBe(false);
    const rule: LimitRule = { id, algorithm: 'fixed', windows: [{ limit: 2, windowMs: 60_000 }] };
    await memory.ask([{ rule, key: 'ann', kind: 'reset', amount: 0 }]);
    expect(await room.consume('write', 'ann')).toMatchObject({ allowed: true, source: 'redis' });
  });
});

describe('how a key stands', () => {
  it('is told without spending, changed by penalties and rewards, and forgotten on demand', async () => {
    const limits = limitsOf({ write: '5/h' });
    expect(await limits.peek('write', 'ann', { cost: 5 })).toMatchObject({ allowed: true, remaining: 5 });
    expect(await limits.penalize('write', 'ann', 7)).toMatchObject({ allowed: false, remaining: 0 });
    expect(await limits.reward('write', 'ann', 4)).toMatchObject({ allowed: true, remaining: 2 });
    expect(await limits.consume('write', 'ann', { cost: 3 })).toMatchObject({ allowed: false });
    await limits.reset('write', 'ann');
    expect(await limits.peek('write', 'ann')).toMatchObject({ allowed: true, remaining: 5 });
    expect(() => limits.penalize('write', 'ann', 0)).toThrow('must be a whole number of at least 1');
    expect(() => limits.reset('write', '')).toThrow('must be a non-empty string');
  });

  it('cannot be reset while Redis is away, and says so', async () => {
    const { room, state } = shaky({ write: '1/h' });
    state.fails = true;
    await expect(room.reset('write', 'ann')).rejects.toThrow('no answer');
  });
});

describe('a policy with a store of its own', () => {
  it('is counted there, with its window', async () => {
    const store = new RateLimiterMemory({ points: 2, duration: 60 });
    const limits = limitsOf({ write: { store } });
    expect(limits.policy('write')).toMatchObject({ windows: [{ limit: 2, windowMs: 60_000 }] });
    expect(await limits.consume('write', 'ann')).toMatchObject({
      allowed: true,
      remaining: 1,
      source: 'store',
    });
    await store.consume('ann');
    const refused = await limits.consume('write', 'ann');
    expect(refused).toMatchObject({ allowed: false, remaining: 0, source: 'store' });
    expect(refused.retryAfterMs).toBeGreaterThan(50_000);
    await limits.reset('write', 'ann');
    expect(await limits.peek('write', 'ann')).toMatchObject({ allowed: true, remaining: 2 });
    expect(await limits.penalize('write', 'ann', 2)).toMatchObject({ allowed: false });
    expect(await limits.reward('write', 'ann', 1)).toMatchObject({ allowed: true, remaining: 1 });
  });

  it('is refused by it also where that comes from another copy of the library', async () => {
    const store = new RateLimiterMemory({ points: 2, duration: 60 });
    const result = { remainingPoints: 0, consumedPoints: 3, msBeforeNext: 5_000, isFirstInDuration: false };
    store.consume = () => Promise.reject(result);
    const decision = await limitsOf({ write: { store } }).consume('write', 'ann');
    expect(decision).toMatchObject({ allowed: false, retryAfterMs: 5_000, source: 'store' });
  });

  it('is decided without it when it fails, or does not answer in time', async () => {
    const broken = new RateLimiterMemory({ points: 2, duration: 60 });
    broken.consume = () => Promise.reject(new Error('away'));
    const silent = new RateLimiterMemory({ points: 2, duration: 60 });
    silent.consume = () => new Promise(() => undefined);
    const limits = limitsOf(
      { broken: { store: broken, onUnavailable: 'closed' }, silent: { store: silent } },
      { decisionTimeoutMs: 20 },
    );
    expect(await limits.consume('broken', 'ann')).toMatchObject({ allowed: false, source: 'closed' });
    const answers = [1, 2, 3].map(() => limits.consume('silent', 'ann'));
    expect((await Promise.all(answers)).map(({ allowed, source }) => [allowed, source])).toEqual([
      [true, 'local'],
      [true, 'local'],
      [false, 'local'],
    ]);
  });
});

describe('a limiter of rate-limiter-flexible', () => {
  const limiterOf = (option: PolicyOption) => limitsOf({ write: option }).limiter('write');

  it('rejects with a result when there is no room', async () => {
    const limiter = limiterOf('2/min');
    expect(limiter).toMatchObject({ keyPrefix: 'write', points: 2, duration: 60 });
    expect(await limiter.get('ann')).toBeNull();
    expect(await limiter.consume('ann')).toMatchObject({
      remainingPoints: 1,
      consumedPoints: 1,
      isFirstInDuration: true,
    });
    await limiter.consume('ann');
    const refusal = await limiter.consume('ann').catch((cause: unknown) => cause);
    expect(refusal).toBeInstanceOf(RateLimiterRes);
    expect(refusal).toMatchObject({ remainingPoints: 0, consumedPoints: 2 });
    expect((await limiter.get('ann'))?.consumedPoints).toBe(2);
    expect(await limiter.delete('ann')).toBe(true);
    expect(await limiter.delete('ann')).toBe(false);
  });

  it('penalizes, rewards, sets and blocks', async () => {
    const limiter = limiterOf('5/min');
    expect((await limiter.penalty('ann', 2)).consumedPoints).toBe(2);
    expect((await limiter.reward('ann')).consumedPoints).toBe(1);
    expect((await limiter.set('ann', 4, 60)).remainingPoints).toBe(1);
    await expect(limiter.set('ann', 4, 61)).rejects.toMatchObject({ code: 'PANDO_LIMITS_LIMITER_OPTION' });
    await limiter.block('ben', 30);
    const refusal = await limiter.consume('ben').catch((cause: unknown) => cause);
    expect((refusal as RateLimiterRes).msBeforeNext).toBeGreaterThan(29_000);
  });

  it('insures and joins others of that library, and takes no block or delay that it would not keep', async () => {
    const insured = new RateLimiterMemory({ points: 1, duration: 60, keyPrefix: 'other' });
    const union = new RateLimiterUnion(insured, limiterOf('1/min'));
    expect(Object.keys(await union.consume('ann'))).toEqual(['other', 'write']);
    const limiter = limiterOf('1/min');
    expect(() => {
      limiter.blockDuration = 10;
    }).toThrow('Call block() instead.');
    expect(() => {
      limiter.execEvenly = true;
    }).toThrow('Use the algorithm "bucket" instead.');
    new RateLimiterRedis({ storeClient: {}, points: 1, duration: 1, insuranceLimiter: limiter });
  });
});

describe.each([
  ['is away', { isUp: false }],
  ['does not answer', { fails: true }],
] as const)('while Redis %s', (_, trouble) => {
  const policies = {
    open: { windows: '1/min', onUnavailable: 'open' },
    closed: { windows: '1/min', onUnavailable: 'closed' },
    local: '10/min',
  } as const;

  it('"open" lets everything pass', async () => {
    const { room, state } = shaky(policies);
    Object.assign(state, trouble);
    for (let call = 0; call < 5; call++) {
      expect(await room.consume('open', 'ann')).toMatchObject({
        allowed: true,
        source: 'open',
        remaining: 1,
      });
    }
  });

  it('"closed" refuses everything', async () => {
    const { room, state } = shaky(policies);
    Object.assign(state, trouble);
    expect(await room.consume('closed', 'ann')).toMatchObject({
      allowed: false,
      source: 'closed',
      remaining: 0,
      retryAfterMs: 1_000,
    });
  });

  it('"local" lets this instance\'s part pass', async () => {
    const { room, state } = shaky(policies);
    Object.assign(state, trouble, { instances: 3 });
    const decisions: Decision[] = [];
    for (let call = 0; call < 6; call++) decisions.push(await room.consume('local', 'ann'));
    expect(decisions.map(({ allowed }) => allowed)).toEqual([true, true, true, true, false, false]);
    expect(decisions[0]).toMatchObject({ source: 'local', limit: 4, remaining: 3 });
  });

  it('says so once, until it is back', async () => {
    const { room, state, warnings } = shaky(policies);
    const before = { ...state };
    for (let outage = 0; outage < 2; outage++) {
      Object.assign(state, trouble);
      for (let call = 0; call < 3; call++) await room.consume('local', 'ann');
      Object.assign(state, before);
      expect((await room.consume('local', 'ann')).source).toBe('redis');
    }
    expect(warnings).toEqual(Array(2).fill('Limits are decided without Redis.'));
  });

  it('health is degraded, not unhealthy', async () => {
    const { room, state } = shaky(policies);
    const [check] = room.checks();
    expect(check).toMatchObject({ name: 'redis', critical: false });
    const look = () => check?.run({ signal: new AbortController().signal });
    expect(await look()).toEqual({ status: 'healthy' });
    Object.assign(state, { isUp: false });
    expect(await look()).toMatchObject({ status: 'degraded' });
  });
});

describe('options', () => {
  const windows = 'must be a limit such as "60/min"';
  const memory = new RateLimiterMemory({ points: 1, duration: 1 });
  const endless = new RateLimiterMemory({ points: 1, duration: 0 });
  it.each<[unknown, string]>([
    [{ policies: { a: '60/month' } }, `limits.policies.a ${windows}`],
    [{ policies: { a: '0/s' } }, `limits.policies.a ${windows}`],
    [{ policies: { a: '1/25d' } }, `limits.policies.a ${windows}`],
    [{ policies: { a: '1/50ms' } }, `limits.policies.a ${windows}`],
    [{ policies: { a: [] } }, `limits.policies.a ${windows}`],
    [{ policies: { a: { limit: 5 } } }, `limits.policies.a ${windows}`],
    [{ policies: { a: { limit: 5, windowMs: 1_000, cost: 2 } } }, `limits.policies.a ${windows}`],
    [
      { policies: { a: ['1/s', '2/1000ms'] } },
      'limits.policies.a must be a list of windows of different lengths',
    ],
    [{ policies: { a: { windows: '1/s', onUnavailabel: 'open' } } }, 'Did you mean "onUnavailable"?'],
    [
      { policies: { a: { windows: '1/s', onUnavailable: 'maybe' } } },
      'limits.policies.a.onUnavailable must be one of',
    ],
    [{ policies: { a: '2000000000000/s' } }, `limits.policies.a ${windows}`],
    [
      { policies: { a: { windows: '1/s', algorithm: 'slidng' } } },
      'limits.policies.a.algorithm must be one of',
    ],
    [
      { policies: { a: { store: {} } } },
      'limits.policies.a.store must be a limiter of rate-limiter-flexible',
    ],
    [{ policies: { a: { store: memory, windows: '1/s' } } }, 'limits.policies.a.windows must be left out'],
    [
      { policies: { a: { store: memory, algorithm: 'strict' } } },
      'limits.policies.a.algorithm must be left out',
    ],
    [{ policies: { a: { store: endless } } }, 'limits.policies.a.store must be a limiter with a limit of'],
    [
      { policies: { a: { windows: '1/s', lease: 'yes' } } },
      'limits.policies.a.lease must be true, false or { shareRatio, forMs }',
    ],
    [
      { policies: { a: { windows: '1/s', lease: { shareRatio: 2 } } } },
      'limits.policies.a.lease.shareRatio must be',
    ],
    [
      { policies: { a: { windows: '1/s', lease: { forMs: 11_000 } } } },
      'limits.policies.a.lease.forMs must be',
    ],
    [{ policies: { a: { windows: '1/s', lease: { forMS: 50 } } } }, 'Did you mean "forMs"?'],
    [{ policies: { a: { store: memory, lease: true } } }, 'limits.policies.a.lease must be left out'],
    [{ policies: { 'a b': '1/s' } }, 'named with 1 to 64 letters'],
    [{ policies: ['1/s'] }, 'limits.policies must be an object of policies, got an array.'],
    [{ polices: {} }, 'unknown option "polices" in limits. Did you mean "policies"?'],
    [{ onUnavailable: 'fail' }, 'limits.onUnavailable must be one of "open", "closed", "local", got "fail".'],
    [{ decisionTimeoutMs: 0 }, 'limits.decisionTimeoutMs must be a positive number of milliseconds'],
  ])('%j is refused', (options, message) => {
    expect(() => createLimits(options as LimitsOptions)).toThrow(message);
  });

  it('of a policy win over those of the room', () => {
    const { policies } = limitsOf(
      { a: '1/s', b: { windows: ['1/s', '2/m'], onUnavailable: 'open', algorithm: 'fixed' } },
      { onUnavailable: 'closed', algorithm: 'strict' },
    );
    expect(policies.get('a')?.algorithm).toBe('strict');
    expect(policies.get('a')?.onUnavailable).toBe('closed');
    expect(policies.get('b')).toEqual({
      name: 'b',
      windows: [
        { limit: 1, windowMs: 1_000 },
        { limit: 2, windowMs: 60_000 },
      ],
      algorithm: 'fixed',
      onUnavailable: 'open',
      shadow: false,
    });
  });
});
