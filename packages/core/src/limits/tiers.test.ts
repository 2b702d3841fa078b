import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createMemoryRegistry, createMetrics } from '../metrics/index.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createLimits, type LimitsOptions, type PolicySettings } from './index.js';

const plans: PolicySettings = {
  tiers: { free: ['2/s', '5/min'], premium: '10/min', enterprise: false },
};

function limitsOf(options: LimitsOptions) {
  const registry = createMemoryRegistry();
  const clock = createFakeClock();
  const kernel = createKernel({ clock, meter: createMetrics({ registry }).meter });
  const limits = createLimits(options, { kernel });
  const count = (outcome: string, source: string) =>
    registry.value('pando_limits_decisions_total', { policy: 'api', outcome, source });
  return { limits, clock, count };
}

describe('tiers', () => {
  it('have windows of their own; the first is the default', async () => {
    const { limits } = limitsOf({ policies: { api: plans } });
    expect(await limits.consume('api', 'ann')).toMatchObject({ tier: 'free', limit: 2, remaining: 1 });
    const premium = await limits.consume('api', 'ben', { tier: 'premium' });
    expect(premium).toMatchObject({ tier: 'premium', limit: 10, windowMs: 60_000, remaining: 9 });
  });

  it('without limit count nothing', async () => {
    const { limits, count } = limitsOf({ policies: { api: plans } });
    const decision = await limits.consume('api', 'ann', { tier: 'enterprise', cost: 1_000 });
    expect(decision).toMatchObject({ allowed: true, tier: 'enterprise', source: 'exempt' });
    expect((await limits.peek('api', 'ann')).remaining).toBe(2);
    expect(await count('allowed', 'exempt')).toBe(1);
  });

  it('of one key know what was spent in the others: a change of plan begins with that', async () => {
    const { limits, clock } = limitsOf({ policies: { api: plans } });
    for (let call = 0; call < 4; call++) {
      await limits.consume('api', 'ann', { tier: 'premium' });
      await clock.advance(1_000);
    }
    await clock.advance(1_000);
    expect((await limits.consume('api', 'ann', { tier: 'free' })).allowed).toBe(true);
    await clock.advance(1_000);
    const refused = await limits.consume('api', 'ann', { tier: 'free' });
    expect(refused).toMatchObject({ allowed: false, limit: 5, windowMs: 60_000 });
    expect(await limits.consume('api', 'ann', { tier: 'premium' })).toMatchObject({
      allowed: true,
      remaining: 4,
    });
  });

  it('are never refused by a window that only others have', async () => {
    const { limits } = limitsOf({ policies: { api: plans } });
    expect(await limits.consume('api', 'ann', { tier: 'premium', cost: 10 })).toMatchObject({
      allowed: true,
      limit: 10,
    });
    const huge = await limits.consume('api', 'ben', { tier: 'premium', cost: 10_000_000 });
    expect(huge).toMatchObject({ allowed: false, limit: 10 });
  });

  it('forget together', async () => {
    const { limits } = limitsOf({ policies: { api: plans } });
    await limits.consume('api', 'ann', { tier: 'premium', cost: 10 });
    await limits.reset('api', 'ann');
    expect((await limits.consume('api', 'ann', { tier: 'premium' })).remaining).toBe(9);
  });

  it('that do not exist are thrown at once, with the nearest', () => {
    const { limits } = limitsOf({ policies: { api: plans, write: '1/s' } });
    expect(() => limits.consume('api', 'ann', { tier: 'premum' })).toThrow(
      'The limit policy "api" has no tier "premum". Did you mean "premium"?',
    );
    expect(() => limits.peek('api', 'ann', { tier: 'gold' })).toThrow('It has: free, premium, enterprise.');
    expect(() => limits.consume('write', 'ann', { tier: 'free' })).toThrow('It has no tiers.');
  });

  it.each([
    [{ tiers: {} }, 'windows by tier, of which the first, the default, has a limit'],
    [{ tiers: { internal: false, free: '1/s' } }, 'of which the first, the default, has a limit'],
    [{ tiers: { free: '1/s', premium: true } }, 'limits.policies.api.tiers.premium must be a limit such as'],
    [{ tiers: ['1/s'] }, 'limits.policies.api.tiers must be an object of windows by tier'],
    [{ tiers: { free: '1/s' }, windows: '1/s' }, 'left out where there are tiers'],
    [{ tiers: { 'a b': '1/s' } }, 'limits.policies.api.tiers.a b must be named with'],
  ])('%j is refused', (api, message) => {
    expect(() => createLimits({ policies: { api: api as PolicySettings } })).toThrow(message);
  });
});

describe('a shadow', () => {
  it('counts, tells and records what it would have refused, and refuses nobody', async () => {
    const { limits, count } = limitsOf({ policies: { api: { windows: '1/min', shadow: true } } });
    expect((await limits.consume('api', 'ann')).shadowed).toBeUndefined();
    const passed = await limits.consume('api', 'ann');
    expect(passed).toMatchObject({ allowed: true, shadowed: true, remaining: 0, retryAfterMs: 0 });
    expect(await limits.peek('api', 'ann')).toMatchObject({ allowed: true, shadowed: true });
    expect([await count('allowed', 'memory'), await count('shadowed', 'memory')]).toEqual([1, 1]);
    expect(await count('refused', 'memory')).toBeUndefined();
  });

  it('lets pass what would be refused because Redis is away', async () => {
    const { limits } = limitsOf({
      redis: { url: 'redis://127.0.0.1:1', startTimeoutMs: 1 },
      policies: { api: { windows: '1/min', shadow: true, onUnavailable: 'closed' } },
    });
    await using _ = limits;
    expect(await limits.consume('api', 'ann')).toMatchObject({
      allowed: true,
      shadowed: true,
      source: 'closed',
    });
  });
});

describe('who is allowed', () => {
  const allow = ['user:admin', '10.0.0.0/8', '192.0.2.7', '2001:db8::/32'];

  it.each([
    ['user:admin', undefined, 'exempt'],
    ['user:ann', undefined, 'memory'],
    ['user:ann', '10.200.3.4', 'exempt'],
    ['user:ann', '::ffff:10.200.3.4', 'exempt'],
    ['user:ann', '11.0.0.1', 'memory'],
    ['ip:192.0.2.7', undefined, 'exempt'],
    ['192.0.2.7', undefined, 'exempt'],
    ['192.0.2.70', undefined, 'memory'],
    ['ip:2001:db8:0:0::/64', '2001:db8::1%eth0', 'exempt'],
    ['10.0.0.1', '11.0.0.1', 'memory'],
    ['user:ann', 'unknown', 'memory'],
  ] as const)('%s from %s is decided by %s', async (key, address, source) => {
    const { limits } = limitsOf({ allow, policies: { api: '1/min' } });
    expect((await limits.consume('api', key, { address })).source).toBe(source);
  });

  it('is nothing to the counters', async () => {
    const { limits } = limitsOf({ allow, policies: { api: '1/min' } });
    for (let call = 0; call < 3; call++)
      expect((await limits.consume('api', 'user:ann', { address: '10.0.0.1' })).allowed).toBe(true);
    expect((await limits.consume('api', 'user:ann', { address: '11.0.0.1' })).allowed).toBe(true);
  });

  it('may be said for one policy', async () => {
    const policies = { api: { windows: '1/min', allow: ['user:ann'] }, write: '1/min' };
    const { limits } = limitsOf({ allow: ['user:ben'], policies });
    const sourceOf = async (policy: string, key: string) => (await limits.consume(policy, key)).source;
    expect([await sourceOf('api', 'user:ann'), await sourceOf('api', 'user:ben')]).toEqual([
      'exempt',
      'exempt',
    ]);
    expect(await sourceOf('write', 'user:ann')).toBe('memory');
  });

  it.each([['10.0.0.0/33'], ['10.0.0/8'], ['2001:db8::/129'], ['10.0.0.0/8/8'], ['']])(
    '%j is no entry, rather than one that allows nobody',
    (entry) => {
      expect(() => createLimits({ allow: [entry] })).toThrow('limits.allow must be a list of addresses');
    },
  );
});
