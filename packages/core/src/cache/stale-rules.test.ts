import { describe, expect, it } from 'vitest';
import { CacheFleet, type FleetInstance, latch } from '../testing/cache-fleet.js';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.js';
import type { CacheRules } from './rules.js';

interface Stage {
  readonly fleet: CacheFleet;
  readonly clock: FakeClock;
  readonly a: FleetInstance;
  readonly b: FleetInstance;
}

/** A race in which one rule alone keeps a reader from being served a value past its time that is worse than stale. */
interface Race {
  readonly name: string;
  /** The rule, switched off. */
  readonly off: Partial<CacheRules>;
  /** Gives what the reader was served; 2 is the newest, 1 what must not be served. */
  run(stage: Stage): Promise<number>;
}

const TTL_MS = 1_000;

/** Everybody has a copy of 1 that is past its time. */
async function everybodyHasOne({ clock, a, b }: Stage): Promise<void> {
  await a.write('x', 1);
  await a.read('x');
  await b.read('x');
  await clock.advance(TTL_MS);
}

const failingRead = ({ cache }: FleetInstance) =>
  cache.getOrLoad<number>('x', () => Promise.reject(new Error('away'))).catch(() => 2);

const races: readonly Race[] = [
  {
    name: 'a stale local value whose tag was invalidated',
    off: { check: () => 'valid' },
    async run(stage) {
      const { a, b } = stage;
      await everybodyHasOne(stage);
      await a.write('x', 2);
      return (await b.read('x')).value;
    },
  },
  {
    name: 'a stale shared value whose tag was invalidated',
    off: { check: () => 'valid' },
    async run(stage) {
      const { fleet, a } = stage;
      await everybodyHasOne(stage);
      await a.write('x', 2);
      return (await (await fleet.instance()).read('x')).value;
    },
  },
  {
    name: 'instead of an error, a value that was invalidated while the loader ran',
    off: { check: () => 'valid' },
    async run(stage) {
      const { a, b } = stage;
      await everybodyHasOne(stage);
      await stage.clock.advance(TTL_MS);
      const goOn = latch();
      const reading = b.cache.getOrLoad(
        'x',
        () => goOn.promise.then(() => Promise.reject(new Error('away'))),
        {
          staleMs: 0,
          staleIfErrorMs: 60_000,
        },
      );
      const outcome = reading.catch(() => 2);
      await stage.clock.advance(0);
      await a.write('x', 2);
      goOn.open();
      return outcome;
    },
  },
  {
    name: 'a stale value of an epoch that is gone, whose invalidation was lost with it',
    off: { isSameEpoch: () => true },
    async run(stage) {
      const { fleet, clock, a } = stage;
      for (const filler of [1, 2, 3]) await a.write('filler', filler);
      await everybodyHasOne(stage);
      await stage.b.cache.close();
      fleet.registers.commit('x', 2);
      fleet.world.renew(); // the invalidation of 2 went under
      const reading = (await fleet.instance()).read('x');
      await clock.advance(20);
      return (await reading).value;
    },
  },
  {
    name: 'a stale local value, for a reader that holds the token of the write',
    off: { reaches: () => true },
    async run(stage) {
      const { fleet, clock, a, b } = stage;
      await everybodyHasOne(stage);
      fleet.carry = () => undefined;
      const { token } = await a.write('x', 2);
      const reading = b.read('x', token);
      await clock.advance(20);
      return (await reading).value;
    },
  },
  {
    name: 'a stale local value in a process that was frozen while invalidations were announced',
    off: { isTrusted: () => true },
    async run(stage) {
      const { fleet, clock, a, b } = stage;
      await everybodyHasOne(stage);
      fleet.carry = (deliver, to) => (to === b.level ? undefined : deliver());
      await a.write('x', 2);
      await clock.advance(2_001);
      const reading = b.read('x');
      await clock.advance(20);
      return (await reading).value;
    },
  },
  {
    name: 'a stale local value in the process that could not get its invalidation confirmed',
    off: { isUnconfirmed: () => false },
    async run(stage) {
      const { a } = stage;
      await everybodyHasOne(stage);
      a.level.setUp(false);
      await a.write('x', 2);
      return (await a.read('x')).value;
    },
  },
  {
    name: 'a value that was built from a stale one and stored as a fresh one',
    off: { isStorable: () => true },
    async run(stage) {
      const { clock, fleet, a } = stage;
      await everybodyHasOne(stage);
      const page = (inner: () => Promise<number>) => a.cache.getOrLoad('page', inner);
      await page(() => failingRead(a));
      fleet.registers.commit('x', 2); // without invalidation: what was stale is to be replaced all the same
      await clock.advance(0);
      return page(async () => fleet.registers.newest('x'));
    },
  },
  {
    name: 'a stale value that its replacement has made older than an invalidation',
    off: { raise: (caller) => caller },
    async run(stage) {
      const { clock, fleet, a, b } = stage;
      await everybodyHasOne(stage);
      fleet.registers.replicates = false;
      await a.write('x', 2);
      await b.read('x');
      await clock.advance(TTL_MS);
      await b.read('x'); // stale: replaced in the background, by a load that must not read behind the write
      await clock.advance(20);
      return (await b.read('x')).value;
    },
  },
];

async function outcomeOf(race: Race, rules?: Partial<CacheRules>): Promise<number> {
  const clock = createFakeClock();
  const options = { ttlMs: TTL_MS, staleMs: 60_000, jitterRatio: 0 };
  const fleet = new CacheFleet({ clock, rules, options });
  const [a, b] = [await fleet.instance(), await fleet.instance()];
  return race.run({ fleet, clock, a, b });
}

describe.each(races)('$name', (race) => {
  it('is not served', async () => {
    expect(await outcomeOf(race)).toBe(2);
  });

  it('would be served without the rule', async () => {
    expect(await outcomeOf(race, race.off)).toBe(1);
  });
});
