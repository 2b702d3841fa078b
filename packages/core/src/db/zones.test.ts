import { describe, expect, it } from 'vitest';
import { createMetrics } from '../metrics/index.js';
import { exposedValue, parseExposition } from '../testing/exposition.js';
import { startMemoryDatabase } from '../testing/memory-cluster.js';

/** Two replicas, the second one in the zone of the instance and behind: what a read returns tells who has served it. */
async function setup({ zone = 'here' } = {}) {
  const metrics = createMetrics();
  const cluster = await startMemoryDatabase({
    replicas: [{ zone: 'there' }, { zone: 'here' }],
    options: { zone, warmupMs: 1_000, pool: { size: 1, overflow: 0 } },
    meter: metrics.meter,
  });
  const { get, set, second, clock } = cluster;
  await set('served by', 'second');
  second.pauseReplay();
  await set('served by', 'first');
  await clock.advance(200);
  const served = () => get('served by', 'eventual');
  const serve = async (count: number) => new Set(await inTurn(count, served));
  return { ...cluster, metrics, served, serve };
}

async function inTurn<T>(count: number, work: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let i = 0; i < count; i++) results.push(await work());
  return results;
}

describe('zones', () => {
  it('make no difference where no replica is near', async () => {
    const { serve } = await setup({ zone: 'elsewhere' });
    expect(await serve(4)).toEqual(new Set(['first', 'second']));
  });

  it('keep reads on replicas of the own one', async () => {
    const { serve } = await setup();
    expect(await serve(4)).toEqual(new Set(['second']));
  });

  it('do not keep a read from a replica that has what the reader wrote', async () => {
    const { open, within, set, get } = await setup();
    await within(open(), async () => {
      await set('mine', 1);
      expect(await get('mine')).toBe(1);
    });
  });

  it('let reads go to others when no own replica is left', async () => {
    const { second, serve, clock } = await setup();
    second.stop();
    await clock.advance(200);
    expect(await serve(4)).toEqual(new Set(['first']));
  });

  it('spare a replica that warms up', async () => {
    const { second, serve, clock } = await setup();
    second.stop();
    await clock.advance(200);
    second.start();
    await clock.advance(500);
    expect(await serve(4)).toEqual(new Set(['first']));
    await clock.advance(3_000);
    expect(await serve(4)).toEqual(new Set(['second']));
  });

  it('let reads go to others while some wait for a connection to an own one', async () => {
    const { db, served } = await setup();
    const stop = new AbortController();
    const hanging = db.read('hang', [], { level: 'eventual', signal: stop.signal });
    const queued = served();
    expect(await served()).toBe('first');
    stop.abort(new Error('enough'));
    await expect(hanging).rejects.toThrow('enough');
    expect(await queued).toBe('second');
  });
});

describe('the lag of a replica in bytes', () => {
  it('is in the topology and in the metrics', async () => {
    const { db, metrics } = await setup();
    expect(db.topology().replicas.map(({ lagBytes }) => lagBytes)).toEqual([0, 8]);
    const exposed = parseExposition(await metrics.expose(), metrics.contentType);
    const name = 'pando_db_replica_lag_bytes';
    expect(exposedValue(exposed, name, { server: 'memory:replica-1' })).toBe(0);
    expect(exposedValue(exposed, name, { server: 'memory:replica-2' })).toBe(8);
  });

  it('is unknown of a replica that is away', async () => {
    const { db, second, clock } = await setup();
    second.stop();
    await clock.advance(200);
    expect(db.topology().replicas[1]).toMatchObject({ state: 'down', lagBytes: undefined });
  });
});
