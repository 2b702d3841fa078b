import { describe, expect, it, vi } from 'vitest';
import { CacheFleet, latch } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { ManyLoader } from './index.js';

const setup = async (options: Partial<ConstructorParameters<typeof CacheFleet>[0]> = {}) => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, options: { jitterRatio: 0 }, ...options });
  return { clock, fleet, a: await fleet.instance(), b: await fleet.instance() };
};

/** A loader that gives each key in capitals, and remembers what it was called for. */
const capitals = () => {
  const calls: (readonly string[])[] = [];
  const load = vi.fn<ManyLoader<string>>(async (missing) => {
    calls.push(missing);
    return new Map(missing.map((key) => [key, key.toUpperCase()]));
  });
  return { load, calls };
};

describe('getOrLoadMany', () => {
  it('calls the loader once for what no level has, and gives values in the order of the keys', async () => {
    const { a, b } = await setup();
    const { load, calls } = capitals();
    await b.cache.getOrLoad('b', () => 'B');
    await a.cache.getOrLoad('c', () => 'C');
    const values = await a.cache.getOrLoadMany(['a', 'b', 'c', 'd', 'a'], load);
    expect([...values]).toEqual([
      ['a', 'A'],
      ['b', 'B'],
      ['c', 'C'],
      ['d', 'D'],
    ]);
    expect(calls).toEqual([['a', 'd']]);
    expect([...(await b.cache.getOrLoadMany(['d', 'a'], load)).keys()]).toEqual(['d', 'a']);
    expect(load).toHaveBeenCalledTimes(1);
    expect((await b.cache.getOrLoadMany([], load)).size).toBe(0);
  });

  it('asks the shared level once about everything, whether it is found or loaded', async () => {
    const { a, b } = await setup();
    const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
    const asked = [vi.spyOn(a.level, 'read'), vi.spyOn(a.level, 'begin')];
    await a.cache.getOrLoadMany(keys, capitals().load, { tags: ['t'] });
    expect(asked.map(({ mock }) => mock.calls.length)).toEqual([2, 1]); // what is there; what is there under the leases
    const read = vi.spyOn(b.level, 'read');
    const { load } = capitals();
    expect((await b.cache.getOrLoadMany(keys, load, { tags: ['t'] })).size).toBe(100);
    expect(read).toHaveBeenCalledTimes(1);
    expect(load).not.toHaveBeenCalled();
  });

  it('asks in parts about very many', async () => {
    const { a } = await setup({ options: { jitterRatio: 0, local: false } });
    const keys = Array.from({ length: 1_100 }, (_, index) => `k${index}`);
    const { load, calls } = capitals();
    const read = vi.spyOn(a.level, 'read');
    const begin = vi.spyOn(a.level, 'begin');
    expect((await a.cache.getOrLoadMany(keys, load)).size).toBe(1_100);
    expect(calls.map(({ length }) => length)).toEqual([1_100]);
    for (const [asked] of [...read.mock.calls, ...begin.mock.calls])
      expect(asked.length).toBeLessThanOrEqual(1_000);
    expect((await a.cache.getOrLoadMany(keys, load)).size).toBe(1_100);
    expect(calls).toHaveLength(1);
  });

  it('leaves out keys that there is nothing for, and asks for them again', async () => {
    const { a } = await setup();
    const load = vi.fn((missing: readonly string[]) => new Map(missing.includes('a') ? [['a', null]] : []));
    expect([...(await a.cache.getOrLoadMany(['a', 'b'], load))]).toEqual([['a', null]]);
    expect([...(await a.cache.getOrLoadMany(['a', 'b'], load))]).toEqual([['a', null]]);
    expect(load.mock.calls.map(([missing]) => missing)).toEqual([['a', 'b'], ['b']]);
  });

  it('keeps that there is nothing, where it is told to', async () => {
    const { a, b } = await setup();
    const load = vi.fn(() => new Map<string, number>());
    for (const { cache } of [a, b, a]) {
      expect((await cache.getOrLoadMany(['x', 'y'], load, { negativeTtlMs: 1_000 })).size).toBe(0);
    }
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('gives each value its own key and the common tags', async () => {
    const { a, b } = await setup();
    const { load, calls } = capitals();
    const get = () => b.cache.getOrLoadMany(['x', 'y'], load, { tags: ['t'] });
    await get();
    await a.cache.invalidate(['y']);
    await get();
    await a.cache.invalidate(['t']);
    await get();
    expect(calls).toEqual([['x', 'y'], ['y'], ['x', 'y']]);
  });

  it('joins what is being loaded, alone or with others, and is joined', async () => {
    const { a } = await setup();
    const gate = latch();
    const slow = vi.fn(async (missing: readonly string[]) => {
      await gate.promise;
      return new Map(missing.map((key) => [key, `slow ${key}`]));
    });
    const { load, calls } = capitals();
    const alone = a.cache.getOrLoad('x', () => gate.promise.then(() => 'alone'));
    const first = a.cache.getOrLoadMany(['x', 'y'], slow);
    const second = a.cache.getOrLoadMany(['y', 'z'], load);
    await vi.waitFor(() => expect(calls).toEqual([['z']])); // does not wait for what others load
    const joining = a.cache.getOrLoad('y', () => 'never');
    gate.open();
    expect(await alone).toBe('alone');
    expect(Object.fromEntries(await first)).toEqual({ x: 'alone', y: 'slow y' });
    expect(Object.fromEntries(await second)).toEqual({ y: 'slow y', z: 'Z' });
    expect(await joining).toBe('slow y');
    expect(slow.mock.calls.map(([missing]) => missing)).toEqual([['y']]);
  });

  it('does not join a load from before an invalidation of its own keys', async () => {
    const { a } = await setup();
    const [begun, gate] = [latch(), latch()];
    const before = a.cache.getOrLoadMany(['x', 'y'], async () => {
      begun.open();
      await gate.promise;
      return new Map([
        ['x', 1],
        ['y', 1],
      ]);
    });
    await begun.promise;
    await a.cache.invalidate(['x']);
    const load = vi.fn((missing: readonly string[]) => new Map(missing.map((key) => [key, 2])));
    const after = a.request(() => a.cache.getOrLoadMany(['x', 'y'], load)); // of somebody who knows of nothing
    await vi.waitFor(() => expect(load).toHaveBeenCalledTimes(1));
    gate.open();
    expect(Object.fromEntries((await after).value)).toEqual({ x: 2, y: 1 });
    expect(load.mock.calls[0]?.[0]).toEqual(['x']);
    expect(Object.fromEntries(await before)).toEqual({ x: 1, y: 1 });
    expect([await a.cache.get('x'), await a.cache.get('y')]).toEqual([2, 1]); // the older one was not stored
  });

  it('stores nothing that was invalidated while it was loaded, but all the rest', async () => {
    const { a, b } = await setup();
    await a.cache.getOrLoadMany(['x', 'y'], async (missing) => {
      await b.cache.invalidate(['x']);
      return new Map(missing.map((key) => [key, 'loaded']));
    });
    expect([await a.cache.get('x'), await a.cache.get('y')]).toEqual([undefined, 'loaded']);
    expect([await b.cache.get('x'), await b.cache.get('y')]).toEqual([undefined, 'loaded']);
  });

  it('waits for what another instance is loading, and loads together what that does not bring', async () => {
    const { clock, a, b } = await setup();
    const gate = latch();
    const begun = latch();
    const there = a.cache.getOrLoadMany(['x', 'y', 'z'], async () => {
      begun.open();
      await gate.promise;
      return new Map([['x', 'from a']]); // there is no y, nor z
    });
    await begun.promise;
    const { load, calls } = capitals();
    const here = b.cache.getOrLoadMany(['w', 'x', 'y', 'z'], load);
    await vi.waitFor(() => expect(calls).toEqual([['w']]));
    gate.open();
    await there;
    for (let turn = 0; turn < 100 && calls.length < 2; turn++) await clock.advance(5);
    expect(Object.fromEntries(await here)).toEqual({ w: 'W', x: 'from a', y: 'Y', z: 'Z' });
    expect(calls).toEqual([['w'], ['y', 'z']]);
  });

  it('rejects as the loader does, keeps nothing of it, and asks again the next time', async () => {
    const { a } = await setup();
    const load = vi.fn<ManyLoader<string>>().mockRejectedValueOnce(new Error('the database is away'));
    await expect(a.cache.getOrLoadMany(['x', 'y'], load)).rejects.toThrow('the database is away');
    load.mockResolvedValueOnce(new Map([['x', 'X']]));
    expect([...(await a.cache.getOrLoadMany(['x', 'y'], load))]).toEqual([['x', 'X']]);
  });

  it('rejects when one value cannot be encoded; the others are stored', async () => {
    const { a } = await setup();
    const load = (): Map<string, unknown> =>
      new Map<string, unknown>([
        ['x', 1],
        ['y', 1n],
      ]);
    await expect(a.cache.getOrLoadMany(['x', 'y'], load)).rejects.toMatchObject({
      code: 'PANDO_CACHE_VALUE',
    });
    await vi.waitFor(() => expect(a.cache.peek('x')).toBe(1));
  });

  it('loads everything with one call while the shared level is away, however few may load at once', async () => {
    const { a } = await setup({ options: { maxLoads: 1 } });
    a.level.setUp(false);
    const keys = Array.from({ length: 10 }, (_, index) => `k${index}`);
    const { load, calls } = capitals();
    expect((await a.cache.getOrLoadMany(keys, load)).size).toBe(10);
    expect(calls).toEqual([keys]);
  });

  it('serves nothing older than its caller has seen, of any of the keys', async () => {
    const { clock, fleet, a, b } = await setup();
    const registers = (missing: readonly string[]) =>
      new Map(missing.map((key) => [key, fleet.registers.read(b.kernel, key)]));
    await b.cache.getOrLoadMany(['x', 'y'], registers);
    fleet.carry = () => undefined;
    fleet.registers.replicates = false;
    const { token } = await a.write('x', 1);
    const asked = b.request(() => b.cache.getOrLoadMany(['x', 'y'], registers), token);
    await clock.advance(100);
    expect(Object.fromEntries((await asked).value)).toEqual({ x: 1, y: 0 });
  });

  it('reads from where each of the keys demands, and stores only what was', async () => {
    const { fleet, a, b } = await setup();
    fleet.registers.replicates = false;
    await a.write('x', 1); // b's replica has not seen it
    const registers = (missing: readonly string[]) =>
      new Map(missing.map((key) => [key, fleet.registers.read(b.kernel, key)]));
    expect(Object.fromEntries(await b.cache.getOrLoadMany(['y', 'x'], registers))).toEqual({ y: 0, x: 1 });
    const lax = (missing: readonly string[]) =>
      new Map(missing.map((key) => [key, fleet.registers.read(b.kernel, key, 'eventual')]));
    await a.write('z', 1);
    expect(Object.fromEntries(await b.cache.getOrLoadMany(['v', 'z'], lax))).toEqual({ v: 0, z: 0 });
    expect(await b.cache.get('z')).toBeUndefined();
  });

  it('passes the tags of values on to what is made of them', async () => {
    const { a } = await setup();
    const { load } = capitals();
    const page = () =>
      a.cache.getOrLoad('page', async () => [...(await a.cache.getOrLoadMany(['x', 'y'], load)).values()]);
    await page();
    await a.cache.invalidate(['y']);
    await page();
    expect(load.mock.calls.map(([missing]) => missing)).toEqual([['x', 'y'], ['y']]);
  });

  it('gives what is past its time at once, and has all of it replaced by one call', async () => {
    const { clock, a } = await setup();
    const { load, calls } = capitals();
    const get = () => a.cache.getOrLoadMany(['x', 'y', 'z'], load, { ttlMs: 100, staleMs: 1_000 });
    await get();
    await clock.advance(100);
    expect((await get()).size).toBe(3);
    await vi.waitFor(() => expect(calls).toHaveLength(2));
    expect(calls[1]).toEqual(['x', 'y', 'z']);
  });

  it('always loads inside a transaction, and stores nothing', async () => {
    const { a } = await setup();
    const { contexts } = a.kernel;
    const { load, calls } = capitals();
    await a.cache.getOrLoadMany(['x'], load);
    const inside = contexts.current().inside();
    const values = await contexts.run(inside, () => a.cache.getOrLoadMany(['y', 'x', 'y'], load));
    expect([...values.keys()]).toEqual(['y', 'x']);
    expect(calls).toEqual([['x'], ['y', 'x']]);
    expect(await a.cache.get('y')).toBeUndefined();
  });

  it('aborts the loader when everybody has left, and refuses what cannot be', async () => {
    const { a } = await setup();
    const leaving = new AbortController();
    const begun = latch();
    let given: AbortSignal | undefined;
    const asked = a.cache.getOrLoadMany(
      ['x', 'y'],
      (_, { signal }) => {
        given = signal;
        begun.open();
        return new Promise<Map<string, number>>(() => undefined);
      },
      { signal: leaving.signal },
    );
    await begun.promise;
    leaving.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
    await vi.waitFor(() => expect(given?.aborted).toBe(true));
    const { load } = capitals();
    expect(() => a.cache.getOrLoadMany(['x', ''], load)).toThrow(/A cache key must be/);
    expect(() => a.cache.getOrLoadMany(['x'], load, { tags: [''] })).toThrow(/A cache tag must be/);
    expect(() => a.cache.getOrLoadMany(['x'], load, { ttlMs: 0 })).toThrow(/cache\.getOrLoadMany\.ttlMs/);
    await a.cache.close();
    await expect(a.cache.getOrLoadMany(['x'], load)).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });
});
