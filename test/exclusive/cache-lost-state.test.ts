import { waitFor } from '@pando/core/testing';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import type { RedisOptions } from '../../packages/core/src/redis/index.js';
import type { BrokenRule } from '../infra/broken-rules.js';
import { CacheFleet, type CacheProcess, Source } from '../infra/cache-processes.js';
import { startRedis, startSentinel } from '../infra/redis.js';

const name = 'lost-state';
/** Names of what the kit keeps, sound or with a rule switched off. */
const namesOf = (without?: BrokenRule) => createKernel({ name: `${name}-${without ?? 'sound'}` }).keys;

/** The sound one, and one that takes values of any life of the state for valid. */
const kits = [undefined, 'isSameEpoch'] as const;

let source: Source;
beforeEach(async () => {
  source = await Source.open();
  return () => source[Symbol.asyncDispose]();
});

/** Two processes on a Redis; values live so long that nothing is ever helped by expiry. */
async function startFleet(redis: RedisOptions): Promise<readonly [CacheProcess, CacheProcess]> {
  // With time to answer: whoever goes past the cache because the machine is busy shows nothing.
  const options = { redis: { ...redis, commandTimeoutMs: 5_000 }, cache: { ttlMs: 3_600_000, doubtMs: 1 } };
  const fleet = await CacheFleet.start({ name, source, options });
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  return fleet.processes as [CacheProcess, CacheProcess];
}

/** Resolves when all kits of all processes have their Redis back. */
const healed = (processes: readonly CacheProcess[]) =>
  waitFor(
    async () => {
      const asked = processes.flatMap((process) => kits.map((without) => process.state(without)));
      return (await Promise.all(asked)).every(({ isUp, isLive }) => isUp && isLive);
    },
    { timeoutMs: 30_000, message: 'all processes to have their Redis back' },
  );

it('when Redis evicts the state of the cache, being idle while values are not, none that it had made invalid is served', async () => {
  const policy = ['--maxmemory-policy', 'allkeys-lru', '--maxmemory-samples', '64'];
  const redis = await startRedis({ args: ['--maxmemory', '6mb', ...policy] });
  onTestFinished(() => redis.close());
  const client = redis.connect();
  onTestFinished(() => client.disconnect());
  const [a, b] = await startFleet({ url: redis.url });
  const keys = Array.from({ length: 10 }, (_, index) => `key:${index}`);
  const stored = kits.flatMap((without) => keys.map((key) => namesOf(without).spread('cache', 'v', key)));
  const states = kits.map((without) => namesOf(without).atomic('cache', 'state'));
  for (const key of keys) source.set(key, 'old');
  for (const without of kits) for (const key of keys) await a.read(key, { without });
  await waitFor(async () => (await client.exists(...stored)) === stored.length);
  for (const key of keys) source.set(key, 'new');
  const tokens: string[] = [];
  for (const without of kits) tokens.push(await a.invalidate(keys, { without })); // what is stored stays
  const [token = ''] = tokens;

  const idle = async (state: string) => Number(await client.object('IDLETIME', state));
  await waitFor(
    async () => {
      await client.touch(...stored);
      return (await Promise.all(states.map(idle))).every((seconds) => seconds >= 2);
    },
    { intervalMs: 200, message: 'the states to be idle' },
  );
  for (let filler = 0; await client.exists(...states); filler++) {
    await client.touch(...stored);
    await client.set(`filler:${filler}`, Buffer.alloc(50_000));
  }
  const left = await client.exists(...stored);
  expect(left).toBeGreaterThan(stored.length / 2); // some of each kit
  const served = async (process: CacheProcess, options: { token?: string; without?: BrokenRule }) =>
    new Set(await Promise.all(keys.map((key) => process.read(key, options))));
  for (const process of [b, a]) {
    expect(await served(process, { token })).toEqual(new Set(['new']));
    expect(await served(process, {})).toEqual(new Set(['new']));
  }
  // They would be served, if values of another life of the state were taken for valid ones.
  expect(await served(b, { without: 'isSameEpoch' })).toContain('old');
});

it('a replica of Redis that is promoted without the last invalidation brings nothing old back', async () => {
  const group = await startSentinel();
  onTestFinished(() => group.close());
  const [replica] = group.replicas;
  const [a, b] = await startFleet({ sentinels: group.nodes, name: group.name });
  source.set('k', 'old');
  for (const without of kits) {
    for (const process of [a, b]) expect(await process.read('k', { without })).toBe('old');
    await waitFor(() => replica?.command('EXISTS', namesOf(without).spread('cache', 'v', 'k')));
  }

  // It cannot follow its primary any more, which wants no password.
  await replica?.command('CONFIG', 'SET', 'masterauth', 'none is wanted');
  await group.primary.command('CLIENT', 'KILL', 'TYPE', 'replica');
  await waitFor(async () =>
    String(await replica?.command('INFO', 'replication')).includes('master_link_status:down'),
  );
  source.set('k', 'new');
  const tokens: string[] = [];
  for (const without of kits) tokens.push(await a.invalidate(['k'], { without }));
  const [token = ''] = tokens;
  expect(await b.read('k', { token })).toBe('new');

  await group.primary.kill();
  await waitFor(
    async () => {
      expect(await b.read('k', { token })).toBe('new');
      return (await group.currentPrimary()) !== group.primary;
    },
    { timeoutMs: 30_000, message: 'the promotion' },
  );
  await healed([a, b]);
  for (const process of [b, a]) {
    expect(await process.read('k', { token })).toBe('new');
    expect(await process.read('k')).toBe('new');
  }
  // What it was promoted with would be served, if a value of another life of Redis were taken for a valid one.
  expect(await b.read('k', { without: 'isSameEpoch' })).toBe('old');
});
