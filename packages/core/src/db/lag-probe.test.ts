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

  it('serves no read with a token, and nobody waits for it', async () => {
    const { get, set, open, within, first, clock } = await setup();
    first.resumeReplay();
    const context = open();
    await within(context, async () => {
      const began = clock.monotonic();
      await set('served by', 'all');
      first.pauseReplay();
      await set('unseen', 1);
      for (let i = 0; i < 5; i++) expect(await get('unseen')).toBe(1);
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
