import { describe, expect, it } from 'vitest';
import { CacheFleet, type FleetInstance, latch } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { CacheRules } from './rules.js';

const first = { system: 'one', timeline: 1 };
const promoted = { system: 'one', timeline: 2 };

/** Two instances on one history; both have cached `x`, whose commit a failover will lose. */
async function setup(rules?: Partial<CacheRules>) {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, rules });
  const [a, b] = [await fleet.instance(), await fleet.instance()];
  for (const instance of [a, b]) instance.history = first;
  await a.write('x', 1);
  await a.read('x');
  await b.read('x');
  let value = 1;
  const read = async (instance: FleetInstance) =>
    (await instance.request(() => instance.cache.getOrLoad('x', () => value))).value;
  const lose = () => {
    value = 0;
  };
  return { clock, fleet, a, b, read, lose };
}

describe('when a database has another history', () => {
  it('nothing from before is served, on any instance', async () => {
    const { fleet, a, b, read, lose } = await setup();
    const before = fleet.world.clock?.epoch;
    lose();
    expect(await read(a)).toBe(1); // nobody knows yet
    a.history = promoted;
    expect(await read(a)).toBe(0);
    b.history = promoted;
    expect(await read(b)).toBe(0);
    expect(fleet.world.clock?.epoch).not.toBe(before);
  });

  it('lost commits would be served without the rule', async () => {
    const { a, read, lose } = await setup({ followsHistories: false });
    lose();
    a.history = promoted;
    expect(await read(a)).toBe(1);
  });

  it('one epoch begins, however many notice', async () => {
    const { clock, fleet, a, b, read } = await setup();
    for (const instance of [a, b]) instance.history = promoted;
    const both = Promise.all([read(a), read(b)]);
    await clock.advance(200);
    await both;
    const { epoch } = fleet.world.clock ?? {};
    const late = await fleet.instance();
    late.history = promoted;
    await read(late);
    expect(fleet.world.clock?.epoch).toBe(epoch);
  });

  it('what is cached from then on is used as before', async () => {
    const { a, b, read, lose } = await setup();
    for (const instance of [a, b]) instance.history = promoted;
    await read(a);
    lose(); // shows who loads
    expect(await read(a)).toBe(1);
    expect(await read(b)).toBe(1);
  });

  it('another system counts, too', async () => {
    const { a, read, lose } = await setup();
    lose();
    a.history = { system: 'two', timeline: 1 };
    expect(await read(a)).toBe(0);
  });

  it('an instance that still reads from the old one neither serves nor keeps anything', async () => {
    const { clock, a, b, read, lose } = await setup();
    a.history = promoted;
    lose();
    await read(a);
    let stale = 10;
    const readOld = async () => (await b.request(() => b.cache.getOrLoad('y', () => ++stale))).value;
    expect([await readOld(), await readOld()]).toEqual([11, 12]);
    expect((await a.request(() => a.cache.getOrLoad('y', () => 1))).value).toBe(1);
    b.history = promoted;
    await clock.advance(100);
    expect((await b.request(() => b.cache.getOrLoad('y', () => 2))).value).toBe(1);
  });

  it('a load that began on the old one is not kept', async () => {
    const { a, read, lose } = await setup();
    const [started, goOn] = [latch(), latch()];
    const loading = a.request(() =>
      a.cache.getOrLoad('z', async () => {
        started.open();
        await goOn.promise;
        return 1;
      }),
    );
    await started.promise;
    a.history = promoted;
    await read(a);
    lose();
    goOn.open();
    expect((await loading).value).toBe(1);
    expect((await a.request(() => a.cache.getOrLoad('z', () => 0))).value).toBe(0);
  });

  it('no cache is used while the shared level cannot be told', async () => {
    const { clock, a, read, lose } = await setup();
    lose();
    a.level.setUp(false);
    a.history = promoted;
    expect(await read(a)).toBe(0);
    a.level.setUp(true);
    await clock.advance(100);
    expect(await read(a)).toBe(0);
  });
});

it('an instance that finds what is cached on its own history uses it', async () => {
  const { fleet, read, lose } = await setup();
  lose();
  const late = await fleet.instance();
  late.history = first;
  expect(await read(late)).toBe(1);
});
