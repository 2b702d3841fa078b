import { expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createLedgers, type Ledger } from '../kernel/ledger.js';
import { Revision } from '../kernel/revision.js';
import { CacheFleet, type FleetInstance } from '../testing/cache-fleet.js';
import { createFakeClock, type FakeClock } from '../testing/fake-clock.js';
import { composeCache } from './create.js';

const ledgerOf = (...rows: string[]): Ledger => ({
  isAbsent: false,
  carriedOut: async () => [],
  hasten: () => undefined,
  standing: async () => rows,
});

/** What ends hits on a value that has been hit before, each by itself. */
const endings: Record<string, (of: FleetInstance, clock: FakeClock) => Promise<unknown> | undefined> = {
  'announcements may go missing': async ({ level }) => level.setLive(false),
  'nobody has confirmed for long that none is missing': async ({ level }, clock) => {
    level.setUp(false);
    await clock.advance(2_001);
  },
  'the shared level is back, and somebody has not carried out what he has committed': async ({ level }) => {
    level.setUp(false);
    level.setUp(true);
  },
  'this process has invalidated it, and nobody has confirmed': ({ level, cache }) => {
    level.setUp(false);
    return cache.invalidate(['t']);
  },
  'it is being invalidated by this process': ({ cache }) => {
    void cache.invalidate(['t']);
    return undefined;
  },
  'another process has invalidated it': ({ level }) =>
    level.invalidate({ tags: ['t'], written: [], settles: [] }),
  'another epoch has begun': async ({ level, cache }) => {
    await level.renew();
    await cache.get('other');
  },
  'its database has another history': async (instance) => {
    instance.history = { system: 'one', timeline: 2 };
  },
  'it is past its time': (_, clock) => clock.advance(501),
};

it.each(Object.keys(endings))('a hit is none any more when %s', async (name) => {
  const clock = createFakeClock();
  const rows: string[] = [];
  const fleet = new CacheFleet({ clock, ledger: { ...ledgerOf(), standing: async () => rows } });
  const instance = await fleet.instance();
  const { cache } = instance;
  instance.history = { system: 'one', timeline: 1 };
  const peek = async () => (await instance.request(() => cache.peek('k'))).value;
  await cache.getOrLoad('k', () => 1, { tags: ['t'], ttlMs: name === 'it is past its time' ? 500 : 60_000 });
  for (let hit = 0; hit < 3; hit++) expect(await peek()).toBe(1);
  rows.push('row');
  await endings[name]?.(instance, clock);
  expect(await peek()).toBeUndefined();
});

it('a hit is none any more when a database is added whose outbox nobody has looked at', async () => {
  const clock = createFakeClock();
  const revision = new Revision();
  const ledgers = createLedgers(revision);
  const cache = composeCache({}, { kernel: createKernel({ name: 'n', clock }), ledger: ledgers, revision });
  await cache.start();
  await cache.getOrLoad('k', () => 1);
  expect([cache.peek('k'), cache.peek('k')]).toEqual([1, 1]);
  ledgers.add(ledgerOf('row'));
  expect(cache.peek('k')).toBeUndefined();
});
