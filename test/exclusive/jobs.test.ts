import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { testSize } from '../infra/context.js';
import { type InstanceGroup, startInstances } from '../infra/instances.js';
import { type RedisServer, startRedis } from '../infra/redis.js';

const entry = fileURLToPath(new URL('../fixtures/jobs-app.ts', import.meta.url));
const shim = fileURLToPath(new URL('../fixtures/shifted-clock.mjs', import.meta.url));
const LEASE_MS = 1_000;
const EVERY_MS = 200;
const RUNS = testSize() === 'full' ? 100 : 10;

interface Line {
  readonly what: 'begun' | 'written' | 'refused';
  readonly instance: number;
  readonly token: number;
  readonly dueAt: number;
  /** By the clock of Redis. */
  readonly at: number;
}

let redis: RedisServer;
let client: Redis;
let kit: string;
let instances: InstanceGroup | undefined;

beforeEach(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
  client.on('error', () => undefined); // Redis is ended here, too
  kit = `jobs-${randomBytes(4).toString('hex')}`;
});
afterEach(async () => {
  await instances?.close();
  client.disconnect();
  await redis.close();
});

async function start(env: NodeJS.ProcessEnv | ((index: number) => NodeJS.ProcessEnv) = {}) {
  const common = { KIT: kit, REDIS_URL: redis.url, LEASE_MS: String(LEASE_MS), EVERY_MS: String(EVERY_MS) };
  instances = await startInstances({
    count: 3,
    entry,
    nodeArgs: ['--import', shim],
    readyPath: '',
    env: (index) => ({ ...common, ...(typeof env === 'function' ? env(index) : env) }),
  });
  return instances;
}

const log = async () => (await client.lrange(`${kit}:log`, 0, -1)).map((line) => JSON.parse(line) as Line);
const holdRuns = () => client.set(`${kit}:gate`, '1');
const letRunsGo = () => client.del(`${kit}:gate`);
const begun = async () => (await log()).filter(({ what }) => what === 'begun');
const untilBegun = (count: number) =>
  waitFor(async () => (await begun()).length >= count && (await begun()), {
    timeoutMs: 20_000,
    message: `${count} runs`,
  });
const processOf = (line: Line | undefined) => {
  const found = instances?.instances[(line?.instance ?? 0) - 1];
  if (found === undefined) throw new Error('nobody has the run');
  return found;
};

/** Each run was due once, at a time of the schedule, not begun before, and over before the next. */
function expectInOrder(lines: readonly Line[]): void {
  const starts = lines.filter(({ what }) => what === 'begun');
  for (const [index, { dueAt, at, token }] of starts.entries()) {
    expect(dueAt % EVERY_MS).toBe(0);
    expect(at).toBeGreaterThanOrEqual(dueAt);
    const before = starts[index - 1];
    if (before === undefined) continue;
    expect(dueAt).toBeGreaterThan(before.dueAt);
    expect(token).toBeGreaterThan(before.token);
  }
  for (const [index, { what }] of lines.entries()) expect(what).toBe(index % 2 === 0 ? 'begun' : 'written');
}

it('a job runs once each time, whatever the clock of an instance shows', async () => {
  await start((index) => ({ CLOCK_SHIFT_MS: String([0, -3_600_000, 3_600_000][index]) }));
  await untilBegun(RUNS);
  await waitFor(async () => (await log()).at(-1)?.what === 'written');
  expectInOrder((await log()).slice(0, 2 * RUNS));
});

it('an instance that is killed in the middle of a run: another begins it again', async () => {
  await holdRuns();
  await start();
  const [first] = await untilBegun(1);
  await processOf(first).kill();
  const [, second] = await untilBegun(2);
  expect(second?.instance).not.toBe(first?.instance);
  expect(second?.dueAt).toBe(first?.dueAt);
  // Not while the one that died could have lived.
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(LEASE_MS - 100);
  await letRunsGo();
  await untilBegun(5);
});

it('an instance that is frozen in the middle of a run, and goes on after another has begun it, changes nothing', async () => {
  await holdRuns();
  await start();
  const [first] = await untilBegun(1);
  const frozen = processOf(first);
  frozen.freeze();
  await untilBegun(2);
  await letRunsGo();
  await waitFor(async () => (await log()).some(({ what }) => what === 'written'));
  frozen.thaw();
  const refused = await waitFor(async () => (await log()).find(({ what }) => what === 'refused'));
  expect(refused.token).toBe(first?.token);
  const count = (await begun()).length;
  await untilBegun(count + 3);
});

it('a run is told when it is lost', async () => {
  await holdRuns();
  await start({ HEEDS: 'yes' });
  const [first] = await untilBegun(1);
  processOf(first).freeze();
  const [, second] = await untilBegun(2);
  processOf(first).thaw();
  // It stops by itself, while the gate is still there: it neither writes nor is refused.
  await waitFor(() => processOf(first).output().includes('PANDO_JOBS_LOST'), {
    message: () => `the run to be told; it says ${processOf(first).output()}`,
  });
  await letRunsGo();
  await untilBegun(4);
  const ends = (await log()).filter(({ what }) => what !== 'begun');
  expect(ends.every(({ what, token }) => what === 'written' && token >= (second?.token ?? 0))).toBe(true);
});

it('an instance that shuts down finishes its run, and gives the job back at once', async () => {
  await holdRuns();
  await start({ LEASE_MS: '60000' });
  const [first] = await untilBegun(1);
  const leaving = processOf(first).terminate();
  await letRunsGo();
  await leaving;
  const lines = await log();
  expect(lines.filter(({ token }) => token === first?.token).map(({ what }) => what)).toEqual([
    'begun',
    'written',
  ]);
  const started = performance.now();
  const others = await untilBegun(3);
  expect(performance.now() - started).toBeLessThan(20_000);
  expect(others.slice(1).some(({ instance }) => instance !== first?.instance)).toBe(true);
});

it('nothing runs while Redis is away, and one run makes up for what was missed', async () => {
  await start();
  await untilBegun(2);
  await client.save();
  await redis.kill();
  const downAt = performance.now();
  const missed = 10;
  await waitFor(() => performance.now() - downAt > missed * EVERY_MS);
  await redis.restart({ keepData: true });
  const count = (await waitFor(() => begun().catch(() => undefined))).length;
  await untilBegun(count + 3);
  const dueTimes = (await begun()).map(({ dueAt }) => dueAt);
  expect(new Set(dueTimes).size).toBe(dueTimes.length);
  const gaps = dueTimes.slice(1).map((dueAt, index) => dueAt - (dueTimes[index] as number));
  expect(Math.max(...gaps)).toBeGreaterThanOrEqual((missed - 1) * EVERY_MS);
});
