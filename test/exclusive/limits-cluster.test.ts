import { writeFileSync } from 'node:fs';
import { createLimits } from '@pando/core/limits';
import { createTemporaryFolder, type GuardedProcess, waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { startRedisCluster } from '../infra/redis.js';
import { mostOfFixed, mostWithin, passedOf, startInstance } from '../integration/limits/instances.js';

async function startNodes() {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.close());
  const masters = cluster.nodes.slice(0, 3);
  return { masters, nodes: masters.map(({ host, port }) => ({ host, port })) };
}

it('limits count together in a cluster, each key on the node of its slot', async () => {
  const { masters, nodes } = await startNodes();
  const options = { redis: { nodes }, policies: { write: ['3/min', '5/h'] }, decisionTimeoutMs: 5_000 };
  const rooms = [createLimits(options), createLimits(options)];
  for (const room of rooms) {
    onTestFinished(() => room.close());
    await room.start();
  }
  const keys = Array.from({ length: 50 }, (_, index) => `user:${index}`);
  const decisions = await Promise.all(
    keys.flatMap((key) => [0, 1, 2, 3].map((call) => rooms[call % 2]?.consume('write', key))),
  );
  expect(new Set(decisions.map((decision) => decision?.source))).toEqual(new Set(['redis']));
  expect(decisions.filter((decision) => decision?.allowed)).toHaveLength(3 * keys.length);
  for (const node of masters) expect(Number(await node.command('DBSIZE'))).toBeGreaterThan(10);
});

it('two processes never pass a limit together in a cluster, over the edges of windows, with leases and without', async () => {
  const { nodes } = await startNodes();
  await using folder = await createTemporaryFolder('pando-limits-cluster-');
  const [limit, windowMs] = [60, 600];
  const algorithms = ['strict', 'sliding', 'fixed'] as const;
  const policies = Object.fromEntries(
    algorithms.flatMap((algorithm) =>
      [true, false].map((lease) => [
        `${algorithm}-${lease}`,
        { windows: { limit, windowMs }, algorithm, lease, onUnavailable: 'closed' },
      ]),
    ),
  );
  const counted = { redis: { nodes }, name: 'cluster', policies };
  const processes: GuardedProcess[] = [];
  for (const each of ['a', 'b']) processes.push(await startInstance(folder.path, each, counted));
  const all = () => processes.flatMap(passedOf);
  await waitFor(
    () =>
      processes.every((each) => {
        const passed = passedOf(each);
        return Object.keys(policies).every((policy) => passed.some((call) => call.policy === policy));
      }) &&
      Object.keys(policies).every(
        (policy) => all().filter((call) => call.policy === policy).length >= 3 * limit,
      ),
    { timeoutMs: 90_000 },
  );
  writeFileSync(`${folder.path}/stop`, '');
  for (const each of processes)
    expect(await each.exited, each.output({ lines: 3 })).toEqual({ code: 0, signal: null });

  const passed = all();
  for (const lease of [true, false]) {
    const of = (algorithm: string) => passed.filter(({ policy }) => policy === `${algorithm}-${lease}`);
    expect(mostWithin(of('strict'), windowMs)).toBeLessThanOrEqual(limit);
    expect(mostWithin(of('sliding'), windowMs / 10)).toBeLessThanOrEqual(1.1 * limit);
    expect(of('fixed').length).toBeLessThanOrEqual(mostOfFixed(of('fixed'), limit, windowMs));
  }
  expect(passed.some(({ source }) => source === 'lease')).toBe(true);
}, 180_000);
