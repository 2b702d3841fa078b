import { createTestCluster, type DatabaseUrls, type TestCluster } from '@pando/core/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testRedis, testSize } from '../infra/context.js';
import type { InstanceGroup } from '../infra/instances.js';
import { FleetClient, startFleet } from '../scenarios/fleet.js';

const rounds = testSize() === 'full' ? 200 : 15;
const redis = testRedis();
let cluster: TestCluster;
let database: DatabaseUrls;
let fleet: InstanceGroup;

/** What a server shows to who asks it directly. */
async function valueAt(url: string): Promise<unknown> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query("select value from fleet_values where key = 'k'");
  await client.end();
  return rows[0]?.value;
}

beforeAll(async () => {
  cluster = await createTestCluster({ replicas: 2 });
  database = await cluster.createDatabase('fleet');
  fleet = await startFleet({ kit: redis.name, redisUrl: redis.url, database });
});
afterAll(async () => {
  await fleet?.close();
  await cluster?.close();
});

describe('with the replay of both replicas paused', () => {
  it('a write through one instance is read through the two others, and nobody is served the past', async () => {
    const [a, b, c] = fleet.urls as [string, string, string];
    const before = new FleetClient(redis.name);
    await before.put(`${a}/values/k`, 'before');
    await cluster.caughtUp();
    for (const replica of cluster.replicas) await replica.pauseReplay();
    try {
      // The replicas really show the past now: a reader that asked them would be served it.
      const writer = new FleetClient(redis.name);
      for (let round = 1; round <= rounds; round++) {
        const value = `paused ${round}`;
        await writer.put(`${a}/values/k`, value);
        for (const url of [b, c, a]) expect(await writer.get(`${url}/values/k`)).toMatchObject({ value });
      }
      for (const url of database.replicas) expect(await valueAt(url)).toBe('before');
    } finally {
      for (const replica of cluster.replicas) await replica.resumeReplay();
    }
  });

  it('replicas serve again once they have caught up', async () => {
    const [a, b] = fleet.urls as [string, string];
    const writer = new FleetClient(redis.name);
    await writer.put(`${a}/values/again`, 'yes');
    await cluster.caughtUp();
    expect(await writer.get(`${b}/values/again`)).toMatchObject({ value: 'yes' });
    const metrics = await (await fetch(`${b}/metrics`)).text();
    expect(metrics).toMatch(/pando_db_/);
  });
});
