import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { noopLogger } from '../kernel/logger.js';
import { createMemoryRegistry, createMetrics } from '../metrics/index.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createMemoryStore } from './drivers/memory.js';
import {
  createLimits,
  createMemoryWorld,
  type Decision,
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
    expect(() => limitsOf({}).policy('x')).toThrow('There are none.');
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
  const memory = createMemoryStore({ maxKeys: 10 });
  const state = { isUp: true, fails: false, instances: 1 };
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
    counters(policy, windows) {
      const counters = memory.counters(policy, windows);
      return {
        spend: (...args) => (state.fails ? Promise.reject(new Error('no answer')) : counters.spend(...args)),
      };
    },
  };
  const warnings: string[] = [];
  const logger = { ...noopLogger, warn: (_: object, message: string) => void warnings.push(message) };
  const kernel = createKernel({ clock: createFakeClock(), logger });
  const local = createMemoryStore({ maxKeys: 10 });
  const room = new LimitsRoom(kernel, resolveLimitsOptions({ policies }).policies, store, local);
  return { room, state, warnings };
}

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
      { a: '1/s', b: { windows: ['1/s', '2/m'], onUnavailable: 'open' } },
      { onUnavailable: 'closed' },
    );
    expect(policies.get('a')?.onUnavailable).toBe('closed');
    expect(policies.get('b')).toEqual({
      name: 'b',
      windows: [
        { limit: 1, windowMs: 1_000 },
        { limit: 2, windowMs: 60_000 },
      ],
      onUnavailable: 'open',
    });
  });
});
