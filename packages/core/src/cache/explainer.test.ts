import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { cacheToken, emptyToken } from '../kernel/token.js';
import { CacheFleet, type FleetInstance } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { binaryCodec } from './codecs.js';
import type { CacheExplanation } from './explanation.js';
import { type CacheOptions, createCache } from './index.js';

async function setup(options: CacheOptions = {}) {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock, options: { ttlMs: 10_000, jitterRatio: 0, ...options } });
  const [a, b] = [await fleet.instance(), await fleet.instance()] as const;
  const load = ({ cache }: FleetInstance) => cache.getOrLoad('post:1', () => 'aspen', { tags: ['posts'] });
  return { clock, fleet, a, b, load };
}

const explain = ({ cache }: Pick<FleetInstance, 'cache'>) => cache.explain('post:1', { tags: ['posts'] });

/** Lets the time pass that something waits for. */
async function within<T>(clock: ReturnType<typeof createFakeClock>, work: Promise<T>): Promise<T> {
  let isSettled = false;
  const done = work.finally(() => {
    isSettled = true;
  });
  for (let turn = 0; turn < 1_000 && !isSettled; turn++) await clock.advance(isSettled ? 0 : 1);
  return done;
}

/** What keeps each level from serving. */
const broken = ({ levels }: CacheExplanation) =>
  Object.fromEntries(
    levels.map(({ level, findings }) => [
      level,
      findings.filter(({ holds }) => !holds).map(({ rule }) => rule),
    ]),
  );

describe('an explanation', () => {
  it('says where a value is, and who would answer', async () => {
    const { a, b, load } = await setup();
    expect(broken(await explain(a))).toEqual({ local: ['kept'], shared: ['kept'] });
    await load(a);
    expect((await explain(a)).answer).toBe('local');
    const { answer, levels, tags } = await explain(b);
    expect({ answer, tags }).toEqual({ answer: 'shared', tags: ['post:1', 'posts'] });
    expect(levels[1]).toMatchObject({
      serves: true,
      use: 'fresh',
      value: { tags: ['post:1', 'posts'], asOf: 0, leftMs: 10_000, bytes: expect.any(Number) },
    });
  });

  it('names the tags that were invalidated', async () => {
    const { a, b, load } = await setup();
    await load(a);
    await b.cache.invalidate(['posts']);
    const explanation = await explain(a);
    expect(explanation.answer).toBe('loader');
    expect(broken(explanation)).toEqual({ local: ['tags'], shared: ['tags'] });
    expect(explanation.text).toContain('Invalidated after 0: posts (1).');
    expect(explanation.text.split('\n')[0]).toBe('"post:1": the loader would run');
  });

  it('tells expired values from stale ones', async () => {
    const { clock, a, load } = await setup({ staleMs: 5_000, trustMs: 60_000 });
    await load(a);
    await clock.advance(12_000);
    expect(await explain(a)).toMatchObject({ answer: 'local', levels: [{ use: 'stale' }, { use: 'stale' }] });
    expect(broken(await a.cache.explain('post:1', { staleMs: 0 }))).toEqual({
      local: ['time'],
      shared: ['time'],
    });
    await clock.advance(5_000);
    expect(broken(await explain(a)).local).toEqual(['time']);
  });

  it('tells expiries from invalidations', async () => {
    const { a, b, load } = await setup({ staleMs: 5_000 });
    await load(a);
    const { token } = await b.request(() => b.cache.expire(['posts']));
    expect(await explain(a)).toMatchObject({ answer: 'local', levels: [{ use: 'stale' }, { use: 'stale' }] });
    const { value: ofWriter } = await a.request(() => explain(a), token);
    expect(broken(ofWriter)).toEqual({ local: ['expiry'], shared: ['expiry'] });
  });

  it('says that the shared level is away, and how long that is borne', async () => {
    const { clock, a, load } = await setup();
    await load(a);
    a.level.setUp(false);
    expect(await explain(a)).toMatchObject({ answer: 'local' });
    expect(broken(await explain(a)).shared).toEqual(['reachable']);
    await clock.advance(2_500);
    expect(broken(await explain(a))).toEqual({ local: ['trust'], shared: ['reachable'] });
  });

  it('says what is not confirmed', async () => {
    const { a, load } = await setup();
    await load(a);
    a.level.setUp(false);
    await a.cache.invalidate(['posts']);
    const { levels } = await explain(a);
    expect(levels[0]?.findings.find(({ rule }) => rule === 'confirmed')?.says).toContain('posts');
  });

  it('depends on who asks', async () => {
    const { a, load } = await setup();
    await load(a);
    const ahead = cacheToken({ epoch: 'gone', sequence: 7 });
    const { value: explanation } = await a.request(() => explain(a), { ...emptyToken, ...ahead });
    expect(broken(explanation)).toEqual({ local: ['token'], shared: ['token'] });
    const context = a.kernel.contexts.current().inside();
    const inside = await a.kernel.contexts.run(context, () => explain(a));
    expect(broken(inside)).toEqual({ local: ['transaction'], shared: ['transaction'] });
  });

  it('says that a value is of another codec, or from before a loss', async () => {
    const { clock, fleet, a, load } = await setup();
    await load(a);
    const cache = createCache(
      { codec: binaryCodec },
      { kernel: createKernel({ clock }), world: fleet.world },
    );
    expect(broken(await explain({ cache })).shared).toEqual(['readable']);
    fleet.world.flush();
    expect(broken(await explain(a)).shared).toEqual(['kept']);
  });

  it('takes away no value, and no doubt', async () => {
    const { fleet, a, load } = await setup();
    await load(a);
    const before = fleet.world.clock;
    await explain(a);
    expect(fleet.world.clock).toEqual(before);
    expect((await explain(a)).answer).toBe('local');
  });
});

it('explanations agree with what is done', { timeout: 30_000 }, async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 4_000 }) }),
    fc.record({
      do: fc.constantFrom(
        'invalidate' as const,
        'expire' as const,
        'cut' as const,
        'mend' as const,
        'lose' as const,
      ),
    }),
    fc.record({ do: fc.constantFrom('blind' as const, 'live' as const) }),
  );
  const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]) => {
    const { clock, fleet, a, b } = await setup({ ttlMs: 5_000, staleMs: 2_000 });
    for (const one of steps) {
      if (one.do === 'wait') await clock.advance(one.ms);
      if (one.do === 'invalidate') await b.cache.invalidate(['posts']);
      if (one.do === 'expire') await b.cache.expire(['posts']);
      if (one.do === 'cut') a.level.setUp(false);
      if (one.do === 'mend') a.level.setUp(true);
      if (one.do === 'blind' || one.do === 'live') a.level.setLive(one.do === 'live');
      if (one.do === 'lose') {
        fleet.world.flush();
        await within(clock, a.cache.get('any')); // so that it is known here, too
      }
      const { answer, text } = await within(clock, explain(a));
      let loads = 0;
      const load = () => {
        loads++;
        return 'aspen';
      };
      const isDue = text.includes('is stale');
      await within(clock, a.cache.getOrLoad('post:1', load, { tags: ['posts'] }));
      if (!isDue) expect({ text, loads }).toEqual({ text, loads: answer === 'loader' ? 1 : 0 });
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 6 }), run), { numRuns: 10 });
});
