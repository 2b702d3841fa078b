import { describe, expect, it } from 'vitest';
import { CacheFleet, latch } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';

const setup = async () => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, options: { jitterRatio: 0 } });
  return { clock, fleet, a: await fleet.instance(), b: await fleet.instance() };
};
const never = () => {
  throw new Error('nothing was to be loaded');
};

describe('set', () => {
  it('stores for all instances, in place of what was there', async () => {
    const { a, b } = await setup();
    await b.cache.getOrLoad('k', () => 'old');
    expect(await a.cache.set('k', 'new')).toMatchObject({ confirmed: true, stored: true });
    expect([await a.cache.getOrLoad('k', never), await b.cache.getOrLoad('k', never)]).toEqual([
      'new',
      'new',
    ]);
    await b.cache.set('k', 'newer');
    expect([await a.cache.getOrLoad('k', never), await b.cache.getOrLoad('k', never)]).toEqual([
      'newer',
      'newer',
    ]);
  });

  it('gives its value the tags and the lifetime that it was told', async () => {
    const { clock, a, b } = await setup();
    await a.cache.set('tagged', 1, { tags: ['t'] });
    await a.cache.set('brief', 1, { ttlMs: 100 });
    await clock.advance(99);
    expect([await b.cache.get('tagged'), await b.cache.get('brief')]).toEqual([1, 1]);
    await clock.advance(1);
    await b.cache.invalidate(['t']);
    expect([await b.cache.get('tagged'), await b.cache.get('brief')]).toEqual([undefined, undefined]);
    expect([a.cache.peek('tagged'), a.cache.peek('brief')]).toEqual([undefined, undefined]);
  });

  it('is not undone by a load that began before, here or elsewhere', async () => {
    const { a, b } = await setup();
    for (const [key, loading] of [
      ['x', a],
      ['y', b],
    ] as const) {
      const [begun, gate] = [latch(), latch()];
      const load = loading.cache.getOrLoad(key, async () => {
        begun.open();
        await gate.promise;
        return 'read before';
      });
      await begun.promise;
      await a.cache.set(key, 'made since');
      expect(await loading.cache.get(key)).toBe('made since');
      gate.open();
      expect(await load).toBe('read before'); // of whoever asked before
      for (const { cache } of [a, b]) expect(await cache.get(key)).toBe('made since');
    }
  });

  it('makes unusable what was made from the value before', async () => {
    const { a, b } = await setup();
    const page = (value: () => unknown) =>
      b.cache.getOrLoad('page', async () => ({ k: await b.cache.getOrLoad('k', value) }));
    expect(await page(() => 1)).toEqual({ k: 1 });
    await a.cache.set('k', 2);
    expect(await page(never)).toEqual({ k: 2 });
  });

  it('gives a token whose holder is served nothing older by anybody', async () => {
    const { clock, fleet, a, b } = await setup();
    await b.cache.getOrLoad('k', () => 'old');
    fleet.carry = () => undefined; // b does not hear of it
    const { token } = await a.request(() => a.cache.set('k', 'new'));
    const asked = b.request(() => b.cache.getOrLoad('k', never), token);
    await clock.advance(100);
    expect((await asked).value).toBe('new');
  });

  it('stores nothing where the invalidation is not confirmed, and serves nothing older here', async () => {
    const { a } = await setup();
    await a.cache.getOrLoad('k', () => 'old');
    a.level.setUp(false);
    const outcome = await a.cache.set('k', 'new');
    expect(outcome).toMatchObject({ confirmed: false, stored: false });
    expect(outcome.token.pending).toHaveLength(1);
    expect(a.cache.peek('k')).toBeUndefined();
    expect(await a.cache.getOrLoad('k', () => 'loaded')).toBe('loaded');
  });

  it('stores nothing while the database is on a newer history elsewhere', async () => {
    const { clock, a, b } = await setup();
    a.history = { system: '1', timeline: 2 };
    await a.cache.getOrLoad('other', () => 1);
    b.history = { system: '1', timeline: 1 };
    const asked = b.cache.set('k', 'of the past');
    await clock.advance(100);
    expect(await asked).toMatchObject({ confirmed: true, stored: false });
    expect(await a.cache.get('k')).toBeUndefined();
  });

  it('does not store undefined, but forgets what was there', async () => {
    const { a, b } = await setup();
    await a.cache.set('k', 1);
    expect(await a.cache.set('k', undefined)).toMatchObject({ confirmed: true, stored: false });
    expect([await a.cache.get('k'), await b.cache.get('k')]).toEqual([undefined, undefined]);
  });

  it('does nothing for a value that cannot be encoded, nor inside a transaction', async () => {
    const { a } = await setup();
    await a.cache.set('k', 1);
    await expect(a.cache.set('k', 1n)).rejects.toMatchObject({ code: 'PANDO_CACHE_VALUE' });
    const { contexts } = a.kernel;
    const outcome = await contexts.run(contexts.current().inside(), () => a.cache.set('k', 2));
    expect(outcome).toMatchObject({ stored: false, confirmed: true });
    expect(await a.cache.get('k')).toBe(1);
  });

  it('refuses names and lifetimes that cannot be, and ends with its signal and its cache', async () => {
    const { a } = await setup();
    expect(() => a.cache.set('', 1)).toThrow(/A cache key must be/);
    expect(() => a.cache.set('k', 1, { tags: [''] })).toThrow(/A cache tag must be/);
    expect(() => a.cache.set('k', 1, { ttlMs: 0 })).toThrow(/cache\.set\.ttlMs/);
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(a.cache.set('k', 1, { signal })).rejects.toThrow('gone');
    await a.cache.close();
    await expect(a.cache.set('k', 1)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });
});

describe('delete', () => {
  it('forgets values of keys on all instances, and what was made from them', async () => {
    const { a, b } = await setup();
    await a.cache.getOrLoad('page', () => a.cache.getOrLoad('x', () => 1));
    for (const key of ['x', 'y', 'z']) await b.cache.getOrLoad(key, () => 1);
    expect(await a.cache.delete('x')).toMatchObject({ confirmed: true });
    await a.cache.delete(['y', 'nothing']);
    expect(await Promise.all(['page', 'x', 'y', 'z'].map((key) => b.cache.get(key)))).toEqual([
      undefined,
      undefined,
      undefined,
      1,
    ]);
    expect(() => a.cache.delete('')).toThrow(/A cache tag must be/);
  });
});
