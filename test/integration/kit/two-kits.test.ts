import { createPando, type Pando } from '@pando/core';
import { waitFor } from '@pando/core/testing';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testRedis } from '../../infra/context.js';

const secret = 'the same on both, so that only names and places keep them apart';
const policies = { write: '2/h' };

async function kit(name: string, redis: string): Promise<Pando> {
  const pando = await createPando({
    name,
    redis,
    secret,
    limits: { policies, decisionTimeoutMs: 5_000 },
    lifecycle: { signals: false },
  });
  onTestFinished(() => pando.close());
  return pando;
}

/** The same server, another data set. */
const inDatabase = (url: string, number: number): string => `${url.replace(/\/\d*$/, '')}/${number}`;

/** Everything that one kit does, and that another must not notice. */
async function live(pando: Pando, who: string) {
  const heard: unknown[] = [];
  const resets: unknown[] = [];
  await pando.realtime.subscribe('news', ({ data }) => heard.push(data), {
    onReset: (reset) => resets.push(reset),
  });
  const value = (): Promise<string> =>
    pando.cache.getOrLoad('post:1', () => `of ${who}`, { tags: ['posts'] });
  await value();
  for (let call = 0; call < 2; call++) await pando.limits.consume('write', 'ann');
  return { heard, resets, value };
}

/** The value of one series, as Prometheus sees it. */
async function seriesOf(pando: Pando, series: string): Promise<string | undefined> {
  const lines = (await pando.metrics.expose()).split('\n');
  return lines.find((line) => line.startsWith(`${series} `))?.slice(series.length + 1);
}

/** Two kits that share a server: what the one does, the other does not see. */
async function expectApart(one: Pando, two: Pando): Promise<void> {
  // The other lives already: it would be reset, emptied or limited by what the first one does.
  const others = await live(two, 'two');
  const ours = await live(one, 'one');
  expect(await ours.value()).toBe('of one');
  expect(await others.value()).toBe('of two');

  const refused = await Promise.all([one, two].map((pando) => pando.limits.consume('write', 'ann')));
  expect(refused.map(({ allowed }) => allowed)).toEqual([false, false]); // both had spent two, neither four
  expect((await one.limits.consume('write', 'bob')).allowed).toBe(true);
  expect((await two.limits.consume('write', 'bob')).remaining).toBe(1);

  const replays = await seriesOf(two, 'pando_cache_replays_total');

  // Announcements of one kit arrive in order: when the last has come, none before it is still on its way.
  for (let n = 0; n < 20; n++) {
    await one.realtime.publish('news', `one ${n}`);
    expect((await one.cache.invalidate(['posts'])).confirmed).toBe(true);
  }
  await two.realtime.publish('news', 'two');
  await waitFor(() => ours.heard.length === 20 && others.heard.length > 0);
  expect(others.heard).toEqual(['two']);
  expect([...ours.resets, ...others.resets]).toEqual([]);
  expect(await seriesOf(two, 'pando_realtime_gaps_total')).toBe('0'); // it did not even hear of the other's
  expect(await seriesOf(two, 'pando_cache_replays_total')).toBe(replays);

  let loads = 0;
  const again = () => two.cache.getOrLoad('post:1', () => `load ${++loads}`, { tags: ['posts'] });
  expect(await again()).toBe('of two');
  expect(loads).toBe(0);

  const token = one.tokens.encode(one.kernel.contexts.current().token);
  if (one.name !== two.name) expect(two.tokens.decode(token).kind).not.toBe('token');

  const published = 'pando_realtime_published_total{outcome="added"}';
  expect([await seriesOf(one, published), await seriesOf(two, published)]).toEqual(['20', '1']);
}

/** One kit ends; the other goes on as if nothing had been. */
async function expectOutlives(closed: Pando, open: Pando): Promise<void> {
  const heard: unknown[] = [];
  await open.realtime.subscribe('after', ({ data }) => heard.push(data));
  await closed.close();
  await open.realtime.publish('after', 'still here');
  await waitFor(() => heard.length === 1);
  expect(open.lifecycle.state).not.toBe('closed');
  expect((await open.cache.invalidate(['posts'])).confirmed).toBe(true);
  expect(await open.cache.getOrLoad('post:2', () => 'loaded')).toBe('loaded');
  expect((await open.limits.consume('write', 'eve')).source).toBe('redis');
}

describe('two kits in one process', () => {
  it('with names of their own share a Redis, and nothing in it', async () => {
    const { url, name } = testRedis();
    const [one, two] = [await kit(`${name}-1`, url), await kit(`${name}-2`, url)];
    await expectApart(one, two);
    await expectOutlives(one, two);
  });

  it('with one name in two data sets of a server have only their name in common', async () => {
    const { url, name } = testRedis();
    const [one, two] = [await kit(name, inDatabase(url, 0)), await kit(name, inDatabase(url, 5))];
    await expectApart(one, two);
    await expectOutlives(two, one);
  });

  it('leave every key of the other alone, in names that begin alike', async () => {
    const { url, name } = testRedis();
    const [one, two] = [await kit(name, url), await kit(`${name}x`, url)];
    await live(one, 'one');
    await using redis = Object.assign(new Redis(url), {
      async [Symbol.asyncDispose]() {
        redis.disconnect();
      },
    });
    const keys = async (kitName: string) =>
      (await redis.keys(`pando:*${kitName}*`)).filter(
        (key) => key.includes(`${kitName}}`) || key.includes(`${kitName}:`),
      );
    const before = await keys(name);
    await live(two, 'two');
    await two.cache.invalidate(['posts']);
    expect(before.length).toBeGreaterThan(0);
    expect((await keys(name)).sort()).toEqual(before.sort());
  });
});
