import { describe, expect, it, vi } from 'vitest';
import { CacheFleet, type FleetInstance, latch } from '../testing/cache-fleet.js';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.js';
import { MAX_EXPIRIES } from './expiries.js';
import type { CacheOptions } from './index.js';
import type { CacheRules } from './rules.js';

interface Stage {
  readonly clock: FakeClock;
  readonly fleet: CacheFleet;
  readonly a: FleetInstance;
  readonly b: FleetInstance;
}

const setup = async (options: CacheOptions = {}, rules?: Partial<CacheRules>): Promise<Stage> => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, rules, options: { staleMs: 5_000, jitterRatio: 0, ...options } });
  return { clock, fleet, a: await fleet.instance(), b: await fleet.instance() };
};

/** Everybody has a copy of 1; then 2 is written, and 1 expires. */
const expired = async (stage: Stage) => {
  const { a, b } = stage;
  await a.write('x', 1);
  for (const instance of [a, b]) await instance.read('x');
  return a.expire('x', 2);
};

describe('an expired value', () => {
  it.each([
    ['on the local level', {}],
    ['on the shared level', { local: false }],
  ] as const)(
    'is served once more, to whoever has not seen its expiry, while it is replaced: %s',
    async (_, options) => {
      const stage = await setup(options);
      const { clock, a, b } = stage;
      const { token } = await expired(stage);
      expect((await a.read('x')).value).toBe(1);
      expect((await b.read('x')).value).toBe(1);
      await clock.advance(100);
      expect((await a.read('x')).value).toBe(2);
      await b.read('x');
      await clock.advance(0);
      expect((await b.read('x')).value).toBe(2);
      expect(token.cache).toHaveLength(1);
    },
  );

  it('is not served to who holds the token of the expiry, nor to who has been served what came after it', async () => {
    const stage = await setup();
    const { a, b } = stage;
    const { token } = await expired(stage);
    expect((await b.read('x', token)).value).toBe(2);
    expect((await a.read('x', token)).value).toBe(2);
  });

  it('is not served longer than it may be stale, counted from the expiry', async () => {
    const stage = await setup({ ttlMs: 60_000 });
    const { clock, a } = stage;
    await expired(stage);
    await clock.advance(5_000);
    expect((await a.read('x')).value).toBe(2);
  });

  it('is not served where nothing stale is wanted', async () => {
    const stage = await setup({ staleMs: 0 });
    await expired(stage);
    expect((await stage.b.read('x')).value).toBe(2);
  });

  it('may take the place of an error', async () => {
    const stage = await setup({ staleMs: 0, staleIfErrorMs: 5_000 });
    await expired(stage);
    const failing = () => Promise.reject(new Error('away'));
    expect(await stage.b.cache.getOrLoad<number>('x', failing)).toBe(1);
  });

  it('is replaced by one that expires while it is loaded, rather than by none', async () => {
    const stage = await setup();
    const { clock, fleet, a, b } = stage;
    await expired(stage);
    const goOn = latch();
    await b.cache.getOrLoad('x', async () => {
      const value = fleet.registers.read(b.kernel, 'x');
      await goOn.promise;
      return value;
    });
    await clock.advance(0);
    await a.expire('x', 3);
    goOn.open();
    await clock.advance(0);
    expect((await b.read('x')).value).toBe(2); // stale, but newer
    await clock.advance(0);
    expect((await b.read('x')).value).toBe(3);
  });

  it('that has expired too often without being replaced is gone', async () => {
    const stage = await setup();
    const { a, b } = stage;
    await expired(stage);
    for (let value = 3; value < 2 + MAX_EXPIRIES; value++) await a.expire('x', value);
    const failing = () => Promise.reject(new Error('away'));
    expect(await b.cache.getOrLoad<number>('x', failing)).toBe(1);
    await a.expire('x', 100);
    await expect(b.cache.getOrLoad<number>('x', failing)).rejects.toThrow('away');
  });

  it('is known as such to an instance that begins later', async () => {
    const stage = await setup();
    await expired(stage);
    const late = await stage.fleet.instance();
    expect((await late.read('x')).value).toBe(1);
    await stage.clock.advance(0);
    expect((await late.read('x')).value).toBe(2);
  });

  it('forbids values built from it: their loader waits', async () => {
    const stage = await setup();
    const { b, fleet } = stage;
    await expired(stage);
    const load = vi.fn(() => b.cache.getOrLoad('x', () => fleet.registers.read(b.kernel, 'x')));
    const page = () => b.cache.getOrLoad('page', load);
    expect([await page(), await page()]).toEqual([2, 2]);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('holds as an invalidation while nobody has confirmed it', async () => {
    const stage = await setup();
    const { clock, fleet, a, b } = stage;
    await a.write('x', 1);
    for (const instance of [a, b]) await instance.read('x');
    a.level.setUp(false);
    const { value, token } = await a.expire('x', 2);
    expect(value.confirmed).toBe(false);
    expect((await a.read('x')).value).toBe(2);
    expect((await b.read('x', token)).value).toBe(2);
    a.level.setUp(true);
    await clock.advance(0);
    expect((await b.read('x')).value).toBe(2);
    expect(fleet.world.begin(['x']).moves).toEqual([['x', 2]]);
  });
});

/** Each is served 2, unless the rule is switched off. */
const races: readonly {
  readonly name: string;
  readonly off: Partial<CacheRules>;
  run(stage: Stage): Promise<number>;
}[] = [
  {
    name: 'an expired local value, for the holder of the token of the expiry',
    off: { mayServeExpired: () => true },
    run: async (stage) => {
      const { token } = await expired(stage);
      return (await stage.b.read('x', token)).value;
    },
  },
  {
    name: 'an expired shared value, for the holder of the token of a later write',
    off: { mayServeExpired: () => true },
    run: async (stage) => {
      const { token } = await expired(stage);
      const later = await stage.a.write('y', 1, token);
      return (await (await stage.fleet.instance()).read('x', later.token)).value;
    },
  },
  {
    name: 'an expired value that was invalidated as well',
    off: { check: (...asked) => (asked[0].check(asked[1], asked[2]) === 'moved' ? 'expired' : 'valid') },
    run: async (stage) => {
      await expired(stage);
      await stage.a.cache.invalidate(['x']);
      return (await stage.b.read('x')).value;
    },
  },
  {
    name: 'a value that was invalidated and then expired, for an instance that heard of that first',
    off: { check: (...asked) => (asked[0].check(asked[1], asked[2]) === 'moved' ? 'expired' : 'valid') },
    run: async ({ fleet, clock, a, b }) => {
      await a.write('x', 1);
      await b.read('x');
      const held: (() => void)[] = [];
      fleet.carry = (deliver, to) => (to === b.level ? void held.unshift(deliver) : deliver());
      await a.write('x', 2);
      await a.expire('x', 2);
      for (const deliver of held) deliver();
      const reading = b.read('x');
      await clock.advance(20);
      return (await reading).value;
    },
  },
];

describe.each(races)('$name', ({ run, off }) => {
  it('is not served', async () => {
    expect(await run(await setup())).toBe(2);
  });

  it('would be served without the rule', async () => {
    expect(await run(await setup({}, off))).toBe(1);
  });
});
