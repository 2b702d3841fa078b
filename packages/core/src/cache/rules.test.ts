import { describe, expect, it } from 'vitest';
import { mergeTokens, type Token } from '../kernel/token.js';
import { CacheFleet, type FleetInstance, latch } from '../testing/cache-fleet.js';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.js';
import type { CacheRules } from './rules.js';

/** What a race is run on. */
interface Stage {
  readonly fleet: CacheFleet;
  readonly clock: FakeClock;
  readonly a: FleetInstance;
  readonly b: FleetInstance;
}

/** A race in which one rule alone keeps a reader from being served the past. */
interface Race {
  readonly name: string;
  /** The rule, switched off. */
  readonly off: Partial<CacheRules>;
  /** Gives what the reader was served; 2 is the newest, 1 the past. */
  run(stage: Stage): Promise<number>;
}

/** A load of register `x` that has read its value and goes on when told to. */
function slowLoad({ fleet }: Stage, { cache, kernel }: FleetInstance, key = 'x') {
  const [read, goOn] = [latch(), latch()];
  const outcome = cache.getOrLoad(key, async () => {
    const value = fleet.registers.read(kernel, 'x');
    read.open();
    await goOn.promise;
    return value;
  });
  const finish = () => {
    goOn.open();
    return outcome;
  };
  return { read: read.promise, finish };
}

/** Writes 1 and lets everybody have a local copy of it. */
async function everybodyHasOne({ a, b }: Stage): Promise<void> {
  await a.write('x', 1);
  await a.read('x');
  await b.read('x');
}

const races: readonly Race[] = [
  {
    name: 'a value that was loaded before an invalidation and stored after it',
    off: { check: () => 'valid' },
    async run(stage) {
      const { a, b } = stage;
      await a.write('x', 1);
      const load = slowLoad(stage, a);
      await load.read;
      await b.write('x', 2);
      await load.finish();
      return (await b.read('x')).value;
    },
  },
  {
    name: 'a value that was loaded before an invalidation which its process knows when it stores it',
    off: { asOf: (_, applied) => applied },
    async run(stage) {
      const { a, b } = stage;
      await a.write('x', 1);
      const load = slowLoad(stage, a);
      await load.read;
      await a.write('x', 2);
      await load.finish();
      return (await b.read('x')).value;
    },
  },
  {
    name: 'a value that is known by its key alone',
    off: { tagsOf: (_, named) => named },
    async run(stage) {
      await everybodyHasOne(stage);
      await stage.a.write('x', 2);
      return (await stage.a.read('x')).value;
    },
  },
  {
    name: 'a value built from one that has become invalid',
    off: { inherits: () => [] },
    async run({ fleet, a }) {
      await a.write('x', 1);
      const { cache, kernel } = a;
      const part = () => cache.getOrLoad('x', () => fleet.registers.read(kernel, 'x'));
      const page = () => cache.getOrLoad('page', part);
      await page();
      await a.write('x', 2);
      return page();
    },
  },
  {
    name: 'a value from before, inside the transaction that has changed it',
    off: { isApart: () => false },
    async run(stage) {
      await everybodyHasOne(stage);
      const { a } = stage;
      const inside = a.kernel.contexts.current().inside();
      return a.kernel.contexts.run(inside, () => a.cache.getOrLoad('x', () => 2));
    },
  },
  {
    name: 'another instance’s local copy, for a reader that holds the token of the write',
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
    name: 'a local copy whose invalidation was announced in vain, when a later one arrives',
    off: { isNext: () => true },
    async run(stage) {
      const { fleet, clock, a, b } = stage;
      await everybodyHasOne(stage);
      fleet.carry = () => undefined;
      const { token } = await a.write('x', 2);
      fleet.carry = (deliver) => deliver();
      await a.write('y', 1);
      const reading = b.read('x', token);
      await clock.advance(20);
      return (await reading).value;
    },
  },
  {
    name: 'a local copy in a process that was frozen while invalidations were announced',
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
    name: 'a running load that began before the invalidation which its joiner has seen',
    off: { covers: () => true },
    async run(stage) {
      const { a } = stage;
      await a.write('x', 1);
      const load = slowLoad(stage, a);
      await load.read;
      const { token } = await a.write('x', 2);
      const joining = a.read('x', token);
      await stage.clock.advance(0);
      await load.finish();
      return (await joining).value;
    },
  },
  {
    name: 'a running load that began before an invalidation which its process has applied',
    off: { covers: () => true },
    async run(stage) {
      const { a, b } = stage;
      await a.write('x', 1);
      const load = slowLoad(stage, a);
      await load.read;
      await b.write('x', 2);
      const joining = a.read('x');
      await stage.clock.advance(0);
      await load.finish();
      return (await joining).value;
    },
  },
  {
    name: 'a load that reads a replica which has not seen what the invalidation of its tag followed',
    off: { raise: (caller) => caller },
    async run({ fleet, a, b }) {
      await a.write('x', 1);
      fleet.registers.replicates = false;
      await a.write('x', 2);
      return (await b.read('x')).value;
    },
  },
  {
    name: 'a value refilled from a replica which has not seen what the invalidation of its tag followed',
    off: { coversWritten: () => true },
    async run({ fleet, a, b }) {
      await a.write('x', 1);
      fleet.registers.replicates = false;
      await a.write('x', 2);
      await b.cache.getOrLoad('x', () => fleet.registers.read(b.kernel, 'x', 'eventual'));
      return (await a.read('x')).value;
    },
  },
  {
    name: 'a value built from a nested load that was not fit to be stored',
    off: { isStorable: () => true },
    async run({ fleet, a, b }) {
      await a.write('x', 1);
      fleet.registers.replicates = false;
      await a.write('x', 2);
      const page = ({ cache, kernel }: FleetInstance, level: 'causal' | 'eventual') =>
        cache.getOrLoad('page', () => cache.getOrLoad('x', () => fleet.registers.read(kernel, 'x', level)));
      await page(b, 'eventual');
      return page(a, 'causal');
    },
  },
  {
    name: 'a value of an epoch that is gone, whose invalidation was lost with it',
    off: { isSameEpoch: () => true },
    async run({ fleet, clock, a, b }) {
      for (const filler of [1, 2, 3]) await a.write('filler', filler);
      await a.write('x', 1);
      await a.read('x');
      await b.cache.close();
      fleet.registers.commit('x', 2);
      fleet.world.renew(); // the invalidation of 2 went under
      const late = await fleet.instance();
      const reading = late.read('x');
      await clock.advance(20);
      return (await reading).value;
    },
  },
  {
    name: 'a shared value, for a reader that has seen more invalidations than the state remembers',
    off: { demand: () => ({ kind: 'any' }) },
    async run({ fleet, clock, a }) {
      await a.write('x', 1);
      await a.read('x');
      const restore = fleet.world.checkpoint();
      const { token } = await a.write('x', 2);
      restore();
      const late = await fleet.instance();
      const reading = late.read('x', token);
      await clock.advance(20);
      return (await reading).value;
    },
  },
  {
    name: 'a shared value, for a reader whose invalidation nobody has confirmed',
    off: { demand: () => ({ kind: 'any' }) },
    async run(stage) {
      const { a, b } = stage;
      await everybodyHasOne(stage);
      a.level.setUp(false);
      const { token } = await a.write('x', 2);
      return (await b.read('x', token)).value;
    },
  },
  {
    name: 'a local copy, for a reader whose invalidation nobody has confirmed',
    off: { reaches: () => true },
    async run(stage) {
      const { a, b } = stage;
      await everybodyHasOne(stage);
      a.level.setUp(false);
      const { token } = await a.write('x', 2);
      return (await b.read('x', token)).value;
    },
  },
  {
    name: 'a local copy in the process that could not get its invalidation confirmed',
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
    name: 'a shared value built from one whose invalidation here nobody has confirmed',
    off: { isUnconfirmed: () => false },
    async run({ fleet, a }) {
      await a.write('x', 1);
      const { cache, kernel, level } = a;
      const part = () => cache.getOrLoad('x', () => fleet.registers.read(kernel, 'x'));
      const page = () => cache.getOrLoad('page', part); // its reader names no more than its key
      await page();
      level.invalidate = () => Promise.reject(new Error('no answer in time')); // reads go on
      await a.write('x', 2);
      return page();
    },
  },
  {
    name: 'a running load past the cache that began before an invalidation nobody has confirmed',
    off: { isUnconfirmed: () => false },
    async run(stage) {
      const { a } = stage;
      await a.write('x', 1);
      a.level.setUp(false);
      const load = slowLoad(stage, a);
      await load.read;
      await a.write('x', 2);
      const joining = a.read('x');
      await stage.clock.advance(0);
      await load.finish();
      return (await joining).value;
    },
  },
];

async function outcomeOf(race: Race, rules?: Partial<CacheRules>): Promise<number> {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, rules });
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

describe('a token of an epoch that is gone', () => {
  it('passes every level by, once: the reply names the epoch that is', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const a = await fleet.instance();
    const { token } = await a.write('x', 1);
    fleet.world.flush();
    await a.read('x');
    fleet.registers.commit('x', 2); // without invalidation: shows who reads past the cache
    const past = await a.read('x', token);
    expect(past.value).toBe(2);
    const { epoch, sequence } = fleet.world.clock ?? {};
    expect(past.token.cache).toEqual([{ epoch, sequence }]);
    expect(past.token.db).toEqual(token.db);
    expect((await a.read('x', past.token)).value).toBe(1);
  });

  it('is replaced, too, where it names two epochs', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const a = await fleet.instance();
    const old = await a.write('x', 1);
    fleet.world.flush();
    const { token } = await a.write('x', 2, old.token);
    expect(token.cache).toHaveLength(2);
    const { token: replaced } = await a.read('x', token);
    expect(replaced.cache).toEqual([{ epoch: fleet.world.clock?.epoch, sequence: 1 }]);
  });
});

describe('a token of two epochs, of which one is the present one', () => {
  it('is not made to fit a state that has forgotten what it names', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const a = await fleet.instance();
    const old = await a.write('x', 1);
    fleet.world.flush();
    await a.read('x');
    const restore = fleet.world.checkpoint();
    const { token } = await a.write('x', 2, old.token);
    expect(token.cache).toHaveLength(2);
    restore();
    const late = await fleet.instance();
    const first = late.read('x', token);
    await clock.advance(20);
    const { value, token: left } = await first;
    expect(value).toBe(2);
    expect((await late.read('x', left)).value).toBe(2);
  });
});

describe('an unconfirmed invalidation', () => {
  it('is retried until it is confirmed, and frees the tokens that waited for it', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const [a, b] = [await fleet.instance(), await fleet.instance()];
    await a.write('x', 1);
    await b.read('x');
    a.level.setUp(false);
    const { value, token } = await a.write('x', 2);
    expect(value.confirmed).toBe(false);
    expect(token.pending).toHaveLength(1);
    expect((await b.read('x')).value).toBe(1); // nobody could tell it
    a.level.setUp(true);
    await clock.advance(0);
    expect((await b.read('x')).value).toBe(2);
    const settled = await b.read('x', token);
    expect(settled.token.pending).toEqual([]);
    expect(settled.token.cache).toEqual([{ epoch: fleet.world.clock?.epoch, sequence: 2 }]);
    let loads = 0;
    const read = (held: Token) => a.request(() => a.cache.getOrLoad('x', () => ++loads), held);
    await read(settled.token);
    expect(loads).toBe(0);
  });

  it('is retried while Redis says that it is up, too', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const [a, b] = [await fleet.instance(), await fleet.instance()];
    await a.write('x', 1);
    await b.read('x');
    const carryOut = a.level.invalidate.bind(a.level);
    let failures = 3;
    a.level.invalidate = async (request) => {
      if (failures-- > 0) throw new Error('no answer in time');
      return carryOut(request);
    };
    expect((await a.write('x', 2)).value.confirmed).toBe(false);
    await clock.advance(1_000);
    expect((await b.read('x')).value).toBe(2);
  });

  it('demands, as a confirmed one does, what was written before it of whoever holds its token alone', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const [a, b] = [await fleet.instance(), await fleet.instance()];
    await a.write('x', 1);
    fleet.registers.replicates = false;
    const { value: confirmed } = await a.write('x', 2);
    b.level.setUp(false); // it can ask nobody but the replica
    expect((await b.read('x', confirmed.token)).value).toBe(2);
    a.level.setUp(false);
    const { value: queued } = await a.write('x', 3);
    expect((await b.read('x', queued.token)).value).toBe(3);
  });

  it('demands of loads elsewhere what was written before it', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const [a, b] = [await fleet.instance(), await fleet.instance()];
    fleet.registers.replicates = false;
    a.level.setUp(false);
    await a.write('x', 2);
    a.level.setUp(true);
    await clock.advance(0);
    expect((await b.read('x')).value).toBe(2);
  });

  it('one too many begins another epoch instead of being forgotten', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const [a, b] = [await fleet.instance(), await fleet.instance()];
    await a.write('x', 1);
    await b.read('x');
    const epoch = fleet.world.clock?.epoch;
    a.level.setUp(false);
    const { token } = await a.write('x', 2);
    await a.cache.invalidate(Array.from({ length: 10_001 }, (_, index) => `tag:${index}`));
    a.level.setUp(true);
    await clock.advance(0);
    expect(fleet.world.clock?.epoch).not.toBe(epoch);
    expect((await b.read('x')).value).toBe(2);
    expect((await b.read('x', token)).token.pending).toEqual([]);
  });
});

describe('without the shared level', () => {
  it('values are loaded, once for all who come together, and at most so many at once', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock, options: { maxLoads: 2 } });
    const a = await fleet.instance();
    a.level.setUp(false);
    const gates = new Map<string, ReturnType<typeof latch>>();
    const get = (key: string) =>
      a.cache.getOrLoad(key, async () => {
        const gate = latch();
        gates.set(key, gate);
        await gate.promise;
        return key;
      });
    const all = Promise.all(['k', 'k', 'l', 'm', 'l'].map(get));
    await clock.advance(0);
    expect([...gates.keys()]).toEqual(['k', 'l']);
    gates.get('k')?.open();
    await clock.advance(0);
    expect([...gates.keys()]).toEqual(['k', 'l', 'm']);
    for (const gate of gates.values()) gate.open();
    expect(await all).toEqual(['k', 'k', 'l', 'm', 'l']);
  });

  it('local copies serve as long as they can be trusted', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const a = await fleet.instance();
    await a.write('x', 1);
    await a.read('x');
    a.level.setUp(false);
    fleet.registers.commit('x', 2);
    expect((await a.read('x')).value).toBe(1);
    await clock.advance(2_001);
    expect((await a.read('x')).value).toBe(2);
  });

  it('a nested load does not wait for the room that the load around it holds', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock, options: { maxLoads: 1 } });
    const a = await fleet.instance();
    a.level.setUp(false);
    expect(await a.cache.getOrLoad('k', () => a.cache.getOrLoad('l', () => 1))).toBe(1);
  });
});

describe('after the state was lost', () => {
  it('loads read the primary while nobody knows what replicas must have seen', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock, doubtMs: 30_000 });
    const a = await fleet.instance();
    await a.write('x', 1);
    fleet.registers.replicates = false;
    await a.write('x', 2);
    fleet.world.flush();
    const nested = () => a.cache.getOrLoad('page', async () => (await a.read('x')).value);
    expect(await nested()).toBe(2);
    await clock.advance(30_000);
    await a.cache.invalidate(['y', 'page', 'x']);
    fleet.registers.catchUp();
    expect(await nested()).toBe(2);
  });

  it('an instance that has heard nothing of it notices, and drops what it has', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const [a, b] = [await fleet.instance(), await fleet.instance()];
    await a.write('x', 1);
    await b.read('x');
    fleet.world.flush();
    fleet.registers.commit('x', 2);
    await clock.advance(2_001);
    expect((await b.read('x')).value).toBe(2);
  });

  it('a state that has gone back gets another epoch', async () => {
    const clock = createFakeClock();
    const fleet = new CacheFleet({ clock });
    const a = await fleet.instance();
    await a.write('x', 1);
    await a.read('x');
    const restore = fleet.world.checkpoint();
    const epoch = fleet.world.clock?.epoch;
    await a.write('x', 2);
    restore();
    await clock.advance(2_001);
    expect((await a.read('x')).value).toBe(2);
    expect(fleet.world.clock?.epoch).not.toBe(epoch);
  });
});

it('announcements in any order, twice or late, change nothing', async () => {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock });
  const [a, b] = [await fleet.instance(), await fleet.instance()];
  await a.write('x', 1);
  const held: (() => void)[] = [];
  fleet.carry = (deliver) => void held.push(deliver, deliver);
  let token = (await a.read('x')).token;
  for (const value of [2, 3, 4]) token = mergeTokens(token, (await a.write('x', value)).token);
  const reading = b.read('x', token);
  for (const deliver of held.reverse()) deliver();
  expect((await reading).value).toBe(4); // no waiting: they arrived
  expect((await b.read('x')).value).toBe(4);
});
