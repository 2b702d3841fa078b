import { waitFor } from '@pando/core/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BrokenRule } from '../../infra/broken-rules.js';
import { CacheFleet, type CacheProcess, Source } from '../../infra/cache-processes.js';
import { testRedis } from '../../infra/context.js';

let source: Source;
let a: CacheProcess;
let b: CacheProcess;
let keys = 0;

beforeAll(async () => {
  const { url, name } = testRedis();
  source = await Source.open();
  const fleet = await CacheFleet.start({
    name,
    source,
    // Nothing may be helped by expiry, a lease that ends, or a machine that is too busy to answer in time.
    options: {
      redis: { url, commandTimeoutMs: 10_000 },
      cache: { ttlMs: 3_600_000, leaseMs: 60_000, waitMs: 60_000, doubtMs: 1 },
    },
  });
  [a, b] = fleet.processes as [CacheProcess, CacheProcess];
  return async () => {
    await fleet[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
  };
});

const newKey = () => `key:${++keys}`;

describe.each([
  { what: 'key', where: 'the same process' },
  { what: 'key', where: 'another process' },
  { what: 'tag', where: 'the same process' },
  { what: 'tag', where: 'another process' },
])(
  'a value that was read before the invalidation of its $what by $where, and stored after it',
  ({ what, where }) => {
    async function race(without?: BrokenRule): Promise<readonly unknown[]> {
      const key = newKey();
      const options = { tags: [`tag of ${key}`], without };
      source.set(key, 'old');
      const gate = source.gate(key);
      const first = a.get(key, options);
      await gate.arrived();
      source.set(key, 'new');
      const writer = where === 'the same process' ? a : b;
      const token = await writer.invalidate([what === 'key' ? key : `tag of ${key}`], { without });
      gate.open();
      expect((await first).value).toBe('old'); // it came before the invalidation
      const served = [await a.read(key, options)];
      for (const reader of [a, b]) {
        served.push(await reader.read(key, { ...options, token }), await reader.read(key, options));
      }
      return served;
    }

    it('is served to nobody', async () => {
      expect(new Set(await race())).toEqual(new Set(['new']));
    });

    it('would be served without the rule', async () => {
      expect(await race('check')).toContain('old');
    });
  },
);

describe.each(['the same process', 'another process'])('who comes after an invalidation by %s', (where) => {
  async function race(without?: BrokenRule): Promise<unknown> {
    const key = newKey();
    source.set(key, 'old');
    const gate = source.gate(key);
    const first = a.get(key, { without });
    await gate.arrived();
    source.set(key, 'new');
    const token = await (where === 'the same process' ? a : b).invalidate([key], { without });
    const late = a.read(key, { without, token });
    await a.holds(2, without);
    gate.open();
    await first;
    return late;
  }

  it('does not join the load that began before it', async () => {
    expect(await race()).toBe('new');
  });

  it('would be given what that load has read without the rule', async () => {
    expect(await race('covers')).toBe('old');
  });
});

it('who comes after an invalidation does not wait for the load of another process that began before it', async () => {
  const key = newKey();
  source.set(key, 'old');
  const gate = source.gate(key, { only: a });
  const first = a.get(key);
  await gate.arrived();
  source.set(key, 'new');
  const token = await b.invalidate([key]);
  expect(await b.read(key, { token })).toBe('new'); // the first one holds its lease for a minute
  gate.open();
  await first;
  expect([await a.read(key, { token }), await b.read(key, { token })]).toEqual(['new', 'new']);
});

describe('a page built from a value that is invalidated while the page is', () => {
  async function race(without?: BrokenRule): Promise<readonly unknown[]> {
    const [page, part] = [newKey(), newKey()];
    const options = { inner: { key: part }, without };
    source.set(part, 'old');
    await a.read(part, { without }); // the page is built from the copy in memory
    const gate = source.gate(page);
    const first = a.get(page, options);
    await gate.arrived();
    source.set(part, 'new');
    const token = await b.invalidate([part], { without });
    gate.open();
    expect((await first).value).toBe('page of old');
    const served = [await a.read(page, { ...options, token })];
    return [...served, await a.read(page, options), await b.read(page, options)];
  }

  it('is served to nobody', async () => {
    expect(new Set(await race())).toEqual(new Set(['page of new']));
  });

  it('would be served without the rule', async () => {
    expect(await race('check')).toContain('page of old');
  });
});

describe('a value that is past its time, and invalidated while it is replaced', () => {
  const lifetime = { ttlMs: 1, staleMs: 3_600_000, jitterRatio: 0 };

  async function race(without?: BrokenRule): Promise<readonly unknown[]> {
    const key = newKey();
    const options = { lifetime, without };
    source.set(key, 'old');
    expect(await a.read(key, options)).toBe('old');
    const gate = source.gate(key);
    const isReplaced = async () => {
      expect(await a.read(key, options)).toBe('old'); // at once, whoever replaces it
      return gate.loads.length === 1;
    };
    await waitFor(isReplaced, { intervalMs: 1 });
    source.set(key, 'new');
    const token = await b.invalidate([key], { without });
    const late = a.read(key, { ...options, token });
    gate.open();
    const served = [await late];
    for (const reader of [a, b]) served.push(await reader.read(key, { ...options, token }));
    return [...served, await a.read(key, options), await b.read(key, options)];
  }

  it('is served to nobody, nor is what it was to be replaced with', async () => {
    expect(new Set(await race())).toEqual(new Set(['new']));
  });

  it('would be served without the rule', async () => {
    expect(await race('check')).toContain('old');
  });
});

describe('one of many values that are loaded at once, when it is invalidated meanwhile', () => {
  async function race(without?: BrokenRule): Promise<readonly unknown[]> {
    const keys = [newKey(), newKey(), newKey()];
    const [before, key, behind] = keys as [string, string, string];
    for (const name of keys) source.set(name, 'old');
    const gate = source.gate(key);
    const first = a.many(keys, { without });
    await waitFor(() => keys.every((name) => source.count(name) === 1), { intervalMs: 2 });
    for (const name of keys) source.set(name, 'new');
    const token = await b.invalidate([key], { without });
    const late = a.read(key, { without, token });
    gate.open();
    expect(await first).toEqual(['old', 'old', 'old']);
    const served = [await late];
    for (const reader of [a, b]) {
      served.push(await reader.read(key, { without, token }));
      expect(await reader.read(before, { without })).toBe('old'); // nobody has invalidated the others
      const [, one, other] = await reader.many(keys, { without });
      served.push(one);
      expect(other).toBe(await reader.read(behind, { without }));
    }
    return served;
  }

  it('is served to nobody', async () => {
    expect(new Set(await race())).toEqual(new Set(['new']));
  });

  it('would be served without the rule', async () => {
    expect(await race('check')).toContain('old');
  });
});

it('processes that load overlapping keys in opposite orders load each once, and do not wait for one another', async () => {
  for (let round = 0; round < 4; round++) {
    const keys = Array.from({ length: 40 }, () => newKey());
    for (const key of keys) source.set(key, key);
    const backwards = keys.toReversed();
    const [first, second, third, fourth] = await Promise.all([
      a.many(keys),
      b.many(backwards),
      a.many(backwards.slice(10)),
      b.many(keys.slice(10)),
    ]);
    expect([first, second?.toReversed(), third?.toReversed(), fourth]).toEqual([
      keys,
      keys,
      keys.slice(0, 30),
      keys.slice(10),
    ]);
    expect(keys.filter((key) => source.count(key) !== 1)).toEqual([]);
  }
});

it('an expired value may be served to who has not seen that, while one load replaces it, and to nobody who has', async () => {
  const key = newKey();
  const options = { lifetime: { ttlMs: 3_600_000, staleMs: 3_600_000 } };
  source.set(key, 'old');
  for (const process of [a, b, b]) expect(await process.read(key, options)).toBe('old');
  source.set(key, 'new');
  const gate = source.gate(key);
  const token = await a.expire([key]);
  const seen = [a.read(key, { ...options, token }), b.read(key, { ...options, token })];
  await gate.arrived();
  for (const process of [a, b]) expect(await process.read(key, options)).toBe('old');
  gate.open();
  expect(await Promise.all(seen)).toEqual(['new', 'new']);
  for (const process of [a, b]) await waitFor(async () => (await process.read(key, options)) === 'new');
  expect(source.count(key)).toBe(2);
});

it('a value that was expired, and then invalidated while it is replaced, is served to nobody', async () => {
  const key = newKey();
  const options = { lifetime: { ttlMs: 3_600_000, staleMs: 3_600_000 } };
  source.set(key, 'old');
  for (const process of [a, b, b]) expect(await process.read(key, options)).toBe('old');
  const gate = source.gate(key);
  await a.expire([key]);
  expect(await a.read(key, options)).toBe('old');
  await gate.arrived();
  source.set(key, 'new');
  const token = await b.invalidate([key]);
  const late = a.read(key, { ...options, token });
  gate.open();
  expect(await late).toBe('new');
  for (const process of [a, b]) expect(await process.read(key, { ...options, token })).toBe('new');
  for (const process of [a, b]) expect(await process.read(key, options)).toBe('new');
});

describe('a value that is set while an older one is loaded', () => {
  async function race(without?: BrokenRule): Promise<readonly unknown[]> {
    const key = newKey();
    source.set(key, 'old');
    const gate = source.gate(key);
    const first = a.get(key, { without });
    await gate.arrived();
    const { token, value: isStored } = await b.set(key, 'new', { without });
    expect(isStored).toBe(true);
    source.set(key, 'new');
    gate.open();
    expect((await first).value).toBe('old');
    const served = [await a.read(key, { without })];
    for (const reader of [a, b]) served.push(await reader.read(key, { without, token }));
    return [...served, await b.read(key, { without })];
  }

  it('is not taken back', async () => {
    expect(new Set(await race())).toEqual(new Set(['new']));
  });

  it('would be without the rule', async () => {
    expect(await race('check')).toContain('old');
  });
});

it('of values that two processes set at once, all are served the same one, or none', async () => {
  for (let round = 0; round < 20; round++) {
    const key = newKey();
    source.set(key, 'loaded');
    const [one, two] = await Promise.all([a.set(key, 'of a'), b.set(key, 'of b')]);
    const both = [one.token, two.token];
    const served = new Set<unknown>();
    for (const reader of [a, b, a, b]) served.add(await reader.read(key, { token: both }));
    served.delete('loaded');
    expect(served.size).toBeLessThanOrEqual(1);
  }
});

it('of two loads that end in the wrong order, the older one takes nothing back', async () => {
  const key = newKey();
  source.set(key, 'old');
  const gate = source.gate(key, { only: a });
  const slow = a.get(key);
  await gate.arrived();
  source.set(key, 'new');
  const token = await b.invalidate([key]);
  expect(await b.read(key)).toBe('new');
  gate.open();
  expect((await slow).value).toBe('old');
  for (const process of [a, b, a, b]) expect(await process.read(key, { token })).toBe('new');
  expect(source.count(key)).toBeLessThanOrEqual(3); // the old one, the new one, and one more by who has no copy
});

it('a thousand callers in each of two processes cause one load', async () => {
  const key = newKey();
  source.set(key, 'value');
  const gate = source.gate(key);
  const crowds = [a.get(key, { calls: 1_000 }), b.get(key, { calls: 1_000 })];
  await gate.arrived();
  await Promise.all([a.holds(1_000), b.holds(1_000)]);
  gate.open();
  for (const crowd of crowds) expect((await crowd).value).toBe('value');
  expect(source.count(key)).toBe(1);
});

it('an error of the loader reaches all who wait in the process, frees the lease, and leaves nothing behind', async () => {
  const key = newKey();
  source.set(key, new Error('the database is on fire'));
  const gate = source.gate(key, { only: a });
  const crowd = a.get(key, { calls: 100 });
  await gate.arrived();
  const other = b.get(key);
  await b.holds(1);
  source.set(key, 'value');
  gate.open();
  await expect(crowd).rejects.toThrow('the database is on fire');
  // The lease would last for a minute: it was given back, and the error is not shared beyond the process.
  expect((await other).value).toBe('value');
  expect(await a.read(key)).toBe('value');
  expect(source.count(key)).toBe(2);
});
