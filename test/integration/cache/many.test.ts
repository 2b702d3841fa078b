import { type Cache, createCache, type ManyLoader } from '@pando/core/cache';
import { waitFor } from '@pando/core/testing';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { testRedis } from '../../infra/context.js';

let a: Cache;
let b: Cache;

beforeAll(async () => {
  const { url, name } = testRedis();
  const open = () => createCache({ redis: { url, commandTimeoutMs: 10_000 }, name, waitMs: 30_000 });
  [a, b] = [open(), open()];
  await Promise.all([a.start(), b.start()]);
});

afterAll(async () => {
  await Promise.all([a.close(), b.close()]);
});

const keysOf = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name}:${index}`);
const load = () =>
  vi.fn<ManyLoader<string>>(async (missing) => new Map(missing.map((key) => [key, `the value of ${key}`])));

it('loads three thousand keys with one call, and finds all of them from another instance', async () => {
  const keys = keysOf('many', 3_000);
  const [here, there] = [load(), load()];
  expect((await a.getOrLoadMany(keys, here, { tags: ['many'] })).size).toBe(3_000);
  expect(here).toHaveBeenCalledTimes(1);
  const found = await b.getOrLoadMany(keys, there, { tags: ['many'] });
  expect([...found.keys()]).toEqual(keys);
  expect(found.get('many:2999')).toBe('the value of many:2999');
  expect(there).not.toHaveBeenCalled();
  await a.invalidate(['many']);
  await waitFor(() => b.peek('many:2999') === undefined); // it has heard of it
  expect((await b.getOrLoadMany(keys, there, { tags: ['many'] })).size).toBe(3_000);
  expect(there.mock.calls.flatMap(([missing]) => missing)).toEqual(keys);
});

it('loads each of many keys on one instance only, when two ask for them at once', async () => {
  const keys = keysOf('shared', 300);
  const [here, there] = [load(), load()];
  const [one, other] = await Promise.all([
    a.getOrLoadMany(keys, here),
    b.getOrLoadMany([...keys].reverse(), there),
  ]);
  expect([one.size, other.size]).toEqual([300, 300]);
  const loaded = [here, there].flatMap(({ mock }) => mock.calls.flatMap(([missing]) => missing));
  expect(loaded.sort()).toEqual([...keys].sort());
});

it('forgets and stores by key for both instances', async () => {
  const keys = keysOf('set', 3);
  await a.getOrLoadMany(keys, load());
  expect(await b.set('set:0', 'set since')).toMatchObject({ confirmed: true, stored: true });
  expect(await b.delete(['set:1'])).toMatchObject({ confirmed: true });
  const again = load();
  expect(Object.fromEntries(await b.getOrLoadMany(keys, again))).toEqual({
    'set:0': 'set since',
    'set:1': 'the value of set:1',
    'set:2': 'the value of set:2',
  });
  expect(again.mock.calls.map(([missing]) => missing)).toEqual([['set:1']]);
  await waitFor(async () => (await a.get('set:0')) === 'set since');
});
