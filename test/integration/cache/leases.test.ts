import { beforeAll, expect, it } from 'vitest';
import { CacheFleet, type CacheProcess, type Gate, Source } from '../../infra/cache-processes.js';
import { testRedis } from '../../infra/context.js';

let source: Source;
let a: CacheProcess;
let b: CacheProcess;

beforeAll(async () => {
  const { url, name } = testRedis();
  source = await Source.open();
  const fleet = await CacheFleet.start({
    name,
    source,
    // Whoever waits does so for the end of the lease: a minute is longer than the test.
    options: {
      redis: { url, commandTimeoutMs: 10_000 },
      cache: { ttlMs: 3_600_000, leaseMs: 500, waitMs: 60_000, doubtMs: 1 },
    },
  });
  [a, b] = fleet.processes as [CacheProcess, CacheProcess];
  return async () => {
    await fleet[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
  };
});

/** The first process has read the old value of the key, and holds its lease. */
async function loading(key: string): Promise<{ readonly gate: Gate; readonly first: Promise<unknown> }> {
  source.set(key, 'old');
  const gate = source.gate(key, { only: a });
  const first = a.read(key);
  first.catch(() => undefined);
  await gate.arrived();
  return { gate, first };
}

it('a process that is frozen for longer than its lease lasts takes nothing back when it goes on', async () => {
  const { gate, first } = await loading('frozen');
  a.process.freeze();
  try {
    expect(await b.read('frozen')).toBe('old');
    source.set('frozen', 'new');
    const token = await b.invalidate(['frozen']);
    expect(await b.read('frozen')).toBe('new');
    gate.open();
    a.process.thaw();
    expect(await first).toBe('old'); // it was asked before the invalidation
    for (const process of [a, b, a, b]) expect(await process.read('frozen', { token })).toBe('new');
    expect(await b.read('frozen')).toBe('new');
  } finally {
    a.process.thaw();
  }
});

it('when the process that loads is killed, another one takes over as soon as its lease has ended', async () => {
  await loading('killed');
  const waiting = b.get('killed', { calls: 100 });
  await b.holds(100);
  await a.process.kill();
  expect((await waiting).value).toBe('old');
  expect(source.count('killed')).toBe(2);
});
