import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import type { BrokenRule } from '../../infra/broken-rules.js';
import { BusProxy } from '../../infra/bus-proxy.js';
import { CacheFleet, type CacheProcess, Source } from '../../infra/cache-processes.js';
import { testRedis } from '../../infra/context.js';

/** How long memory is believed without proof: the longest that anybody may be served the past. */
const trustMs = 500;

let source: Source;
let bus: BusProxy;
/** Hears everything. */
let a: CacheProcess;
/** Hears of invalidations what the proxy lets through. */
let b: CacheProcess;
let admin: Redis;
let kit: string;
let keys = 0;

beforeAll(async () => {
  const { url, name } = testRedis();
  admin = new Redis(url);
  kit = name;
  const { hostname, port } = new URL(url);
  source = await Source.open();
  bus = await BusProxy.open({ host: hostname, port: Number(port) });
  const fleet = await CacheFleet.start({
    name,
    source,
    options: (index) => ({
      redis: { url: index === 0 ? url : bus.url, commandTimeoutMs: 10_000, probeIntervalMs: 100 },
      cache: { ttlMs: 3_600_000, leaseMs: 60_000, waitMs: 60_000, trustMs, doubtMs: 1 },
    }),
  });
  [a, b] = fleet.processes as [CacheProcess, CacheProcess];
  return async () => {
    admin.disconnect();
    await fleet[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
  };
});

beforeEach(() => () => {
  bus.heal();
  bus.deliver();
});

/** Resolves when the kit, sound or not, has all its connections. */
async function connected(without?: BrokenRule): Promise<void> {
  await waitFor(async () => {
    const { isUp, isLive } = await b.state(without);
    return isUp && isLive;
  });
}

const namesOf = (without?: BrokenRule) => createKernel({ name: `${kit}-${without ?? 'sound'}` }).keys;

/** The second process hears no more of what is invalidated in this kit. */
const keepFor = (without?: BrokenRule) => bus.keep(namesOf(without).atomic('cache', 'announcements'));

const newKey = () => `key:${++keys}`;

/** A key of which both processes have a copy of the old value in memory, and whose loads give the new one from now on. */
async function copied(without?: BrokenRule): Promise<string> {
  await connected(without);
  const key = newKey();
  source.set(key, 'old');
  for (const process of [a, b, b]) expect(await process.read(key, { without })).toBe('old');
  source.set(key, 'new');
  return key;
}

/** Resolves when memory is believed no more that was proven right before now. */
async function trustEnds(): Promise<void> {
  const endsAt = performance.now() + trustMs;
  await waitFor(() => performance.now() > endsAt);
}

describe('an announcement that gets lost in silence', () => {
  async function race(without?: BrokenRule): Promise<unknown> {
    const key = await copied(without);
    keepFor(without);
    const token = await a.invalidate([key], { without });
    await waitFor(() => bus.kept === 1);
    return b.read(key, { without, token });
  }

  it('leaves nobody with the past who holds the token', async () => {
    expect(await race()).toBe('new');
  });

  it('would do so without the rules', async () => {
    expect(await race('copies')).toBe('old');
  });

  async function later(without?: BrokenRule): Promise<unknown> {
    const key = await copied(without);
    keepFor(without);
    await a.invalidate([key], { without });
    await trustEnds();
    return b.read(key, { without });
  }

  it('leaves nobody with the past for longer than the bound', async () => {
    expect(await later()).toBe('new');
  });

  it('would do so without the rule', async () => {
    expect(await later('isTrusted')).toBe('old');
  });
});

it('whoever asks again and again is served the past up to the bound at most, and never again after that', async () => {
  const key = await copied();
  keepFor();
  await a.invalidate([key]);
  const acknowledgedAt = performance.now();
  const served: { readonly value: unknown; readonly isDue: boolean }[] = [];
  await waitFor(async () => {
    const isDue = performance.now() - acknowledgedAt > trustMs;
    served.push({ value: await b.read(key), isDue });
    return served.filter((read) => read.isDue).length > 5;
  });
  expect(served.filter(({ value, isDue }) => isDue && value !== 'new')).toEqual([]);
  const first = served.findIndex(({ value }) => value === 'new');
  expect(served.slice(first).every(({ value }) => value === 'new')).toBe(true);
});

it('an invalidation while the bus is cut is seen at once by who holds its token, and by all others within the bound', async () => {
  const [key, another, third] = [await copied(), await copied(), await copied()];
  bus.cut('announcements');
  const token = await a.invalidate([key]);
  expect(await b.read(key, { token })).toBe('new');
  await waitFor(async () => !(await b.state()).isLive);

  await a.invalidate([another]);
  await trustEnds();
  expect(await b.read(another)).toBe('new'); // it is cut all the time, and memory is not believed

  await a.invalidate([third]);
  bus.heal();
  await waitFor(async () => (await b.state()).isLive);
  expect(await b.read(third)).toBe('new'); // announced before anybody listened again
  const hits = () => b.metric('pando_cache_requests_total{source="local"}');
  const before = await hits();
  await waitFor(async () => (await b.read(third)) === 'new' && (await hits()) > before, {
    message: 'memory to be believed again',
  });
});

it('a subscriber that is half open costs nobody more than the bound, and is given up', async () => {
  const [key, another] = [await copied(), await copied()];
  const connects = () => b.metric('pando_redis_connects_total{connection="subscriber"}');
  const before = await connects();
  bus.strand();
  const token = await a.invalidate([key]);
  expect(await b.read(key, { token })).toBe('new');
  await a.invalidate([another]);
  await trustEnds();
  expect(await b.read(another)).toBe('new');
  await waitFor(async () => (await connects()) > before, { message: 'another subscriber' });
  const third = await copied();
  await a.invalidate([third]);
  await waitFor(async () => (await b.read(third)) === 'new');
});

describe('an invalidation by a process that Redis is out of reach of', () => {
  async function race(without?: BrokenRule) {
    const key = await copied(without);
    bus.cut('commands');
    const token = await b.invalidate([key], { without });
    const served = {
      atHome: await b.read(key, { without }),
      elsewhere: await a.read(key, { without, token }),
    };
    bus.heal();
    return { key, token, served };
  }

  it('holds in that process at once, everywhere for who holds its token, and for all when Redis is back', async () => {
    const { key, token, served } = await race();
    expect(served).toEqual({ atHome: 'new', elsewhere: 'new' });
    await waitFor(async () => (await a.read(key)) === 'new', { message: 'the retry' });
    for (const process of [a, b]) expect(await process.read(key, { token })).toBe('new');
  });

  it('would not hold in that process without the rule', async () => {
    expect((await race('isUnconfirmed')).served).toMatchObject({ atHome: 'old' });
  });

  it('would not hold elsewhere without the rule', async () => {
    expect((await race('pending')).served).toMatchObject({ elsewhere: 'old' });
  });
});

it('announcements that arrive late, twice and in any order are all applied', async () => {
  const copies = [await copied(), await copied(), await copied()];
  keepFor();
  for (const key of copies) await a.invalidate([key]);
  await waitFor(() => bus.kept === 3);
  bus.deliver([2, 0, 2, 1, 0, 1]);
  await b.read(newKey()); // says how far the invalidations have come: waits until they are applied
  for (const key of copies) expect(await b.read(key)).toBe('new');
});

describe('the last of three announcements, when the others are lost', () => {
  async function race(without?: BrokenRule): Promise<unknown> {
    const key = await copied(without);
    keepFor(without);
    const token = await a.invalidate([key], { without });
    for (const other of ['one', 'two']) await a.invalidate([other], { without });
    await waitFor(() => bus.kept === 3);
    bus.deliver([2]);
    await b.read(newKey(), { without });
    return b.read(key, { without, token });
  }

  it('does not pass for all of them', async () => {
    expect(await race()).toBe('new');
  });

  it('would without the rule', async () => {
    expect(await race('isNext')).toBe('old');
  });
});

it('who has missed more than the log can tell believes nothing that it has', async () => {
  const key = await copied();
  const spared = newKey();
  source.set(spared, 'spared');
  expect(await b.read(spared)).toBe('spared');
  keepFor();
  const token = await a.invalidate([key]);
  const crowd = Array.from({ length: 12_000 }, (_, index) => `crowd:${index}`);
  for (let from = 0; from < crowd.length; from += 2_000) await a.invalidate(crowd.slice(from, from + 2_000));
  bus.deliver([]);
  expect(await b.read(key, { token })).toBe('new');
  expect(await b.read(spared)).toBe('spared');
  source.set(spared, 'not spared');
  expect(await b.read(spared, { token: await a.invalidate(['crowd:7', spared]) })).toBe('not spared');
});

describe('a value stored by a process that has not heard of its invalidation', () => {
  async function race(without?: BrokenRule): Promise<unknown> {
    await connected(without);
    const key = newKey();
    source.set(key, 'old');
    const gate = source.gate(key);
    const first = b.get(key, { without });
    await gate.arrived();
    source.set(key, 'new');
    keepFor(without);
    const token = await a.invalidate([key], { without });
    gate.open();
    expect((await first).value).toBe('old');
    const stored = namesOf(without).spread('cache', 'v', key);
    await waitFor(() => admin.exists(stored), { message: 'the old value in Redis' });
    const served = [await a.read(key, { without })];
    return [...served, await b.read(key, { without, token })];
  }

  it('is served to nobody, although Redis has it', async () => {
    expect(await race()).toEqual(['new', 'new']);
  });

  it('would be served without the rule', async () => {
    expect(await race('check')).toContain('old');
  });
});

describe('a process that was frozen while a value was invalidated', () => {
  async function race(without?: BrokenRule): Promise<unknown> {
    const key = await copied(without);
    keepFor(without);
    b.process.freeze();
    try {
      await a.invalidate([key], { without });
      await trustEnds();
      const reading = b.read(key, { without }); // the first thing it finds when it goes on
      b.process.thaw();
      return await reading;
    } finally {
      b.process.thaw();
    }
  }

  it('does not believe its memory', async () => {
    expect(await race()).toBe('new');
  });

  it('would without the rule', async () => {
    expect(await race('isTrusted')).toBe('old');
  });
});
