import { describe, expect, it } from 'vitest';
import { startMemoryDatabase } from '../testing/memory-cluster.js';

/** One replica that does not say how far it is, and stands behind: what a read returns tells who has served it. */
async function setup() {
  const cluster = await startMemoryDatabase({ replicas: [{ lagProbe: 'none' }], options: { maxLagMs: 500 } });
  const { first, set, clock } = cluster;
  await set('served by', 'replica');
  first.pauseReplay();
  await set('served by', 'primary');
  await clock.advance(2_000);
  return cluster;
}

describe('a replica that does not say how far it has come', () => {
  it('is used, and its lag unknown', async () => {
    const { db } = await setup();
    expect(db.topology().replicas[0]).toMatchObject({
      state: 'up',
      lsn: undefined,
      lagMs: undefined,
      lagBytes: undefined,
    });
  });

  it('serves reads without a token, and those that heed none', async () => {
    const { get, set, open, within } = await setup();
    await within(open(), async () => {
      expect(await get('served by')).toBe('replica');
      await set('other', 1);
      expect(await get('served by', 'eventual')).toBe('replica');
    });
  });

  it('serves no read with a token, however far it has come', async () => {
    const { db, get, set, open, within, first, clock } = await setup();
    first.resumeReplay();
    await within(open(), async () => {
      await set('served by', 'anybody');
      await clock.advance(200);
      for (let i = 0; i < 5; i++) expect(await get('served by')).toBe('anybody');
    });
    expect(db.topology().replicas[0]).toMatchObject({ state: 'up', inUse: 0, idle: 0 });
  });

  it('is waited for by nobody', async () => {
    const { get, set, open, within, clock } = await setup();
    await within(open(), async () => {
      const began = clock.monotonic();
      await set('unseen', 1);
      expect(await get('unseen')).toBe(1);
      expect(clock.monotonic()).toBe(began);
    });
  });

  it('serves no read at the level monotonic', async () => {
    const { get, open, within } = await setup();
    await within(open(), async () => {
      expect(await get('served by', 'monotonic')).toBe('primary');
    });
  });
});
