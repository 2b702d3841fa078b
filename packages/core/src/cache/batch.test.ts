import { describe, expect, it, vi } from 'vitest';
import { cacheToken, type Token } from '../kernel/token.js';
import { latch } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { Batch, type Ride } from './batch.js';
import { createMemoryWorld, MemoryLevel } from './drivers/memory.js';
import { LoadRecord } from './load-record.js';
import { soundRules } from './rules.js';

const never = new AbortController().signal;
const at = (sequence: number): Token => cacheToken({ epoch: '1', sequence });

const setup = (keys: readonly string[]) => {
  const clock = createFakeClock();
  const level = new MemoryLevel(createMemoryWorld({ clock }));
  const load = vi.fn(
    async (missing: readonly string[], _ride: Ride) => new Map(missing.map((key) => [key, key])),
  );
  const batch = new Batch(keys, { clock, level, rules: soundRules, load });
  const ride = (overrides: Partial<Ride> = {}): Ride => ({
    record: new LoadRecord([], soundRules),
    flights: [],
    token: at(1),
    signal: never,
    isThrottled: false,
    ...overrides,
  });
  return { clock, batch, load, ride, loaded: () => load.mock.calls.map(([missing]) => missing) };
};

describe('the loads of many keys', () => {
  it('wait for each other, and call the loader once', async () => {
    const { batch, loaded, ride } = setup(['a', 'b', 'c']);
    const a = batch.load('a', ride());
    batch.pass('b');
    expect(loaded()).toEqual([]);
    expect(await Promise.all([a, batch.load('c', ride())])).toEqual(['a', 'c']);
    expect(loaded()).toEqual([['a', 'c']]);
  });

  it('do not wait for one that waits for somebody else, and take along all that come back together', async () => {
    const { clock, batch, loaded, ride } = setup(['a', 'b', 'c', 'd']);
    const later = ['b', 'c'].map(async (key) => {
      await batch.pause(key, 10, never);
      return batch.load(key, ride());
    });
    const d = batch.pause('d', 10, never).then(() => batch.pass('d'));
    expect(await batch.load('a', ride())).toBe('a');
    expect(loaded()).toEqual([['a']]);
    await clock.advance(10);
    expect(await Promise.all([...later, d])).toEqual(['b', 'c', undefined]);
    expect(loaded()).toEqual([['a'], ['b', 'c']]);
  });

  it('read nothing older than the strictest of them demands, and make room for themselves only once', async () => {
    const { batch, load, ride } = setup(['a', 'b']);
    await Promise.all([
      batch.load('a', ride({ token: at(3) })),
      batch.load('b', ride({ token: at(7), isThrottled: true })),
    ]);
    expect(load.mock.calls[0]?.[1]).toMatchObject({ token: at(7), isThrottled: true });
  });

  it('have all read what the loader has read', async () => {
    const { batch, load, ride } = setup(['a', 'b']);
    load.mockImplementationOnce(async (_, { record }) => {
      record.noteRead({ shard: 'main', seen: 'primary' });
      record.include(['t'], at(2));
      record.taint();
      return new Map();
    });
    const rides = [ride(), ride()];
    await Promise.all(['a', 'b'].map((key, index) => batch.load(key, rides[index] ?? ride())));
    for (const { record } of rides) {
      expect(record).toMatchObject({ tags: ['t'], seen: at(2), isStorable: false });
      expect(record.bounds).toEqual([{ shard: 'main', seen: 'primary' }]);
    }
  });

  it('fail together', async () => {
    const { batch, load, ride } = setup(['a', 'b']);
    load.mockRejectedValueOnce(new Error('the database is away'));
    const outcomes = await Promise.allSettled(['a', 'b'].map((key) => batch.load(key, ride())));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('abort the loader when nobody waits for any of them, and leave out whose readers have left before', async () => {
    const { batch, load, ride } = setup(['a', 'b', 'gone']);
    const [one, other] = [new AbortController(), new AbortController()];
    const begun = latch();
    load.mockImplementationOnce((missing, { signal }) => {
      expect(missing).toEqual(['a', 'b']);
      begun.open();
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const gone = batch.load('gone', ride({ signal: AbortSignal.abort(new Error('left')) }));
    const a = batch.load('a', ride({ signal: one.signal }));
    const b = batch.load('b', ride({ signal: other.signal }));
    await expect(gone).rejects.toThrow('left');
    await begun.promise;
    const signal = load.mock.calls[0]?.[1].signal;
    one.abort(new Error('left, too'));
    await expect(a).rejects.toThrow('left, too');
    expect(signal?.aborted).toBe(false);
    other.abort(new Error('the last'));
    await expect(b).rejects.toThrow('the last');
    expect(signal?.aborted).toBe(true);
  });
});
