import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createMemoryRegistry, createMetrics } from '../metrics/index.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { banStoreSuite } from '../testing/suites/bans.js';
import { createMemoryBans } from './drivers/memory-bans.js';
import { createLimits, createMemoryWorld } from './index.js';

banStoreSuite('a store of bans in memory', async () => {
  const { bans } = createMemoryWorld();
  const { clock } = createKernel();
  return { store: async () => createMemoryBans(bans, clock) };
});

const policies = { write: '60/min', read: '1000/min' };
const hour = 3_600_000;

/** Two rooms that share everything but the process. */
async function fleet() {
  const clock = createFakeClock();
  const registry = createMemoryRegistry();
  const kernel = createKernel({ clock, meter: createMetrics({ registry }).meter });
  const world = createMemoryWorld();
  const [a, b] = [0, 1].map(() => createLimits({ policies }, { kernel, world })) as [
    ReturnType<typeof createLimits>,
    ReturnType<typeof createLimits>,
  ];
  await a.start();
  await b.start();
  return { a, b, clock, registry };
}

describe('a ban', () => {
  it('keeps a key out of every policy on all instances until it ends', async () => {
    const { a, b, clock, registry } = await fleet();
    await a.ban('user:7', { forMs: hour, reason: 'spam' });
    expect(await b.consume('write', 'user:7')).toEqual({
      allowed: false,
      policy: 'write',
      limit: 60,
      remaining: 0,
      resetMs: hour,
      retryAfterMs: hour,
      source: 'ban',
    });
    expect(await b.peek('read', 'user:7')).toMatchObject({ allowed: false, source: 'ban' });
    expect((await b.consume('write', 'user:8')).allowed).toBe(true);
    const labels = { policy: 'write', outcome: 'refused', source: 'ban' };
    expect(await registry.value('pando_limits_decisions_total', labels)).toBe(1);
    await clock.advance(hour);
    expect(await b.consume('write', 'user:7')).toMatchObject({ allowed: true, remaining: 59 });
    expect(b.bans()).toEqual([]);
  });

  it('of a network keeps its addresses out, whatever they are counted by', async () => {
    const { a, b, clock } = await fleet();
    await a.ban('2001:DB8::/32');
    expect((await b.consume('write', 'user:7', { address: '2001:db8:1::9' })).source).toBe('ban');
    expect((await b.consume('write', 'ip:2001:db8:1:0::/64')).source).toBe('ban');
    expect((await b.consume('write', 'user:7', { address: '2001:db9::1' })).allowed).toBe(true);
    expect(b.bans()).toEqual([
      { subject: '2001:db8::/32', reason: undefined, bannedAt: clock.now(), endsAt: undefined },
    ]);
  });

  it('does not keep out who stands on an allow list, but who has no limit', async () => {
    const write = { tiers: { free: '1/min', staff: false } } as const;
    const limits = createLimits({ policies: { write }, allow: ['10.0.0.0/8'] });
    await limits.ban('0.0.0.0/0');
    expect((await limits.consume('write', 'user:7', { address: '10.1.2.3' })).source).toBe('exempt');
    const refused = await limits.consume('write', 'user:7', { address: '11.1.2.3', tier: 'staff' });
    expect(refused.source).toBe('ban');
  });

  it('is lifted on all instances', async () => {
    const { a, b } = await fleet();
    await a.ban('203.0.113.7');
    await b.unban('::ffff:203.0.113.7');
    for (const limits of [a, b]) {
      expect(limits.bans()).toEqual([]);
      expect((await limits.consume('write', '203.0.113.7')).allowed).toBe(true);
    }
  });

  it('is known to an instance that starts later', async () => {
    const world = createMemoryWorld();
    const first = createLimits({ policies }, { world });
    await first.start();
    await first.ban('user:7');
    await first.close();
    const second = createLimits({ policies }, { world });
    await second.start();
    expect((await second.consume('write', 'user:7')).source).toBe('ban');
  });

  it.each([
    '',
    'x'.repeat(513),
    'half a \ud83e fox',
    '10.0.0.0/33',
    '10.0.0/8',
    '300.0.0.0/8',
    '2001:db8::/x',
    undefined as never,
  ])('of "%s" is refused', async (subject) => {
    const { a } = await fleet();
    await expect(a.ban(subject)).rejects.toMatchObject({ code: 'PANDO_LIMITS_BAN' });
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5m' as never])(
    'for %s ms is refused',
    async (forMs) => {
      const { a } = await fleet();
      await expect(a.ban('user:7', { forMs })).rejects.toMatchObject({ code: 'PANDO_LIMITS_BAN' });
    },
  );

  it('for a reason that is no text is refused', async () => {
    const { a } = await fleet();
    const banned = a.ban('user:7', { reason: 7 as never });
    await expect(banned).rejects.toMatchObject({ code: 'PANDO_LIMITS_BAN' });
  });

  it('after close is rejected', async () => {
    const { a } = await fleet();
    await a.close();
    await expect(a.ban('user:7')).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
    await expect(a.unban('user:7')).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });
});
