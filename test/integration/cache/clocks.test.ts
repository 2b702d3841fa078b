import { fileURLToPath } from 'node:url';
import { waitFor } from '@pando/core/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { CacheFleet, type CacheProcess, Source } from '../../infra/cache-processes.js';
import { testRedis } from '../../infra/context.js';

const shim = fileURLToPath(new URL('../../fixtures/shifted-clock.mjs', import.meta.url));
const hourMs = 3_600_000;

let source: Source;
/** One whose clock is right, one an hour ahead, one an hour behind; on a signal the second one jumps back two hours, the third ahead. */
let fleet: readonly CacheProcess[];
let keys = 0;

beforeAll(async () => {
  const { url, name } = testRedis();
  source = await Source.open();
  const started = await CacheFleet.start({
    name,
    source,
    count: 3,
    nodeArgs: ['--import', shim],
    env: (index) => ({
      CLOCK_SHIFT_MS: String([0, hourMs, -hourMs][index]),
      CLOCK_JUMP_MS: String([0, -2 * hourMs, 2 * hourMs][index]),
    }),
    options: {
      redis: { url, commandTimeoutMs: 10_000 },
      cache: { ttlMs: 10 * 60_000, trustMs: 600_000, leaseMs: 60_000, waitMs: 60_000, doubtMs: 1 },
    },
  });
  fleet = started.processes;
  return async () => {
    await started[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
  };
});

/** Values everywhere, invalidated by one, while another one loads: nobody may be served the old one. */
async function race(writer: CacheProcess, loader: CacheProcess): Promise<void> {
  const [copied, loaded] = [`key:${++keys}`, `key:${++keys}`];
  for (const key of [copied, loaded]) source.set(key, 'old');
  for (const process of [...fleet, ...fleet]) expect(await process.read(copied)).toBe('old');
  const gate = source.gate(loaded);
  const first = loader.get(loaded);
  await gate.arrived();
  for (const key of [copied, loaded]) source.set(key, 'new');
  const token = await writer.invalidate([copied, loaded]);
  gate.open();
  await first;
  for (const key of [copied, loaded]) {
    for (const process of fleet) expect(await process.read(key, { token })).toBe('new');
    for (const process of fleet) await waitFor(async () => (await process.read(key)) === 'new');
    for (const process of fleet) expect(await process.read(key)).toBe('new');
  }
}

async function allRaces(): Promise<void> {
  for (const writer of fleet) for (const loader of fleet) await race(writer, loader);
}

describe('clocks that are an hour ahead and an hour behind', () => {
  it('are no reason to serve what was invalidated', allRaces);

  it('are no reason to serve it when they jump by two hours, and memory keeps what it has', async () => {
    const key = `key:${++keys}`;
    source.set(key, 'old');
    for (const process of [...fleet, ...fleet]) expect(await process.read(key)).toBe('old');
    for (const { process: child } of fleet) process.kill(child.pid ?? 0, 'SIGUSR2');
    await waitFor(async () => {
      const aheadMs = await Promise.all(fleet.map(async (one) => (await one.state()).now - Date.now()));
      return aheadMs.every((ms, index) => Math.abs(ms - ([0, -hourMs, hourMs][index] ?? 0)) < hourMs / 2);
    });
    const loads = source.loads.length;
    for (const process of fleet) expect(await process.read(key)).toBe('old');
    expect(source.loads.length).toBe(loads); // lifetimes in memory go by a clock that nobody sets
    await allRaces();
  });
});
