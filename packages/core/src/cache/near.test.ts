import { describe, expect, it, vi } from 'vitest';
import { CacheFleet } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';

const setup = async () => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, options: { jitterRatio: 0 } });
  return { clock, fleet, a: await fleet.instance(), b: await fleet.instance() };
};

describe('peek', () => {
  it('gives what this process has, and nothing else', async () => {
    const { a, b } = await setup();
    const value = await a.cache.getOrLoad('k', () => ({ n: 1 }));
    expect(a.cache.peek('k')).toBe(value);
    expect(b.cache.peek('k')).toBeUndefined();
    expect(await b.cache.get('k')).toEqual({ n: 1 });
    expect(b.cache.peek('k')).toEqual({ n: 1 });
  });

  it('keeps back what has expired, was invalidated, or is older than what its caller has seen', async () => {
    const { clock, a, b, fleet } = await setup();
    await a.cache.getOrLoad('expired', () => 1, { ttlMs: 100 });
    await a.cache.getOrLoad('invalidated', () => 1, { tags: ['t'] });
    await clock.advance(100);
    await a.cache.invalidate(['t']);
    expect([a.cache.peek('expired'), a.cache.peek('invalidated')]).toEqual([undefined, undefined]);

    await a.cache.getOrLoad('seen', () => 1);
    fleet.carry = () => undefined; // a does not hear of it
    const { token } = await b.cache.invalidate(['seen']);
    expect((await a.request(() => a.cache.peek('seen'))).value).toBe(1);
    expect((await a.request(() => a.cache.peek('seen'), token)).value).toBeUndefined();
  });

  it('gives again what it has after nobody has asked for long', async () => {
    const { clock, a } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    await clock.advance(10_000);
    expect(a.cache.peek('k')).toBeUndefined(); // something may have been missed since
    await clock.advance(1);
    expect(a.cache.peek('k')).toBe(1);
  });

  it('gives nothing inside a transaction', async () => {
    const { a } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    const { contexts } = a.kernel;
    const inside = contexts.current().inside();
    expect(contexts.run(inside, () => a.cache.peek('k'))).toBeUndefined();
    expect(await contexts.run(inside, () => a.cache.get('k'))).toBeUndefined();
  });

  it('makes what it gave part of the value that is loaded around it', async () => {
    const { a } = await setup();
    await a.cache.getOrLoad('part', () => 1, { tags: ['t'] });
    const load = vi.fn(() => ({ part: a.cache.peek('part') }));
    await a.cache.getOrLoad('whole', load);
    await a.cache.invalidate(['t']);
    expect(await a.cache.getOrLoad('whole', load)).toEqual({});
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('refuses what is no key', async () => {
    const { a } = await setup();
    expect(() => a.cache.peek('')).toThrow(/A cache key must be/);
    expect(() => a.cache.get('')).toThrow(/A cache key must be/);
  });
});

describe('get', () => {
  it('gives what any level has, and loads nothing', async () => {
    const { a, b } = await setup();
    expect(await a.cache.get('k')).toBeUndefined();
    await a.cache.getOrLoad('k', () => 1, { tags: ['t'] });
    expect([await a.cache.get('k'), await b.cache.get('k')]).toEqual([1, 1]);
    await b.cache.invalidate(['t']);
    expect([await a.cache.get('k'), await b.cache.get('k')]).toEqual([undefined, undefined]);
  });

  it('gives nothing that could be older than what its caller has seen', async () => {
    const { a, b, fleet, clock } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    fleet.carry = () => undefined;
    const { token } = await b.cache.invalidate(['k']);
    const asked = a.request(() => a.cache.get('k'), token);
    await clock.advance(100); // the announcement is waited for, then the log is read
    expect((await asked).value).toBeUndefined();
  });

  it('makes what it gave part of the value that is loaded around it', async () => {
    const { a, b } = await setup();
    await a.cache.getOrLoad('part', () => 1, { tags: ['t'] });
    const load = vi.fn(async () => ({ part: await b.cache.get('part') }));
    await b.cache.getOrLoad('whole', load);
    await b.cache.invalidate(['t']);
    expect(await b.cache.getOrLoad('whole', load)).toEqual({});
  });

  it('gives nothing while the shared level is away, and ends with its signal', async () => {
    const { a, b } = await setup();
    await a.cache.getOrLoad('k', () => 1);
    b.level.setUp(false);
    expect(await b.cache.get('k')).toBeUndefined();
    await expect(b.cache.get('k', { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
    await b.cache.close();
    await expect(b.cache.get('k')).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });
});
