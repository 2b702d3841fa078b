import { describe, expect, it, onTestFinished } from 'vitest';
import { createPando, isPandoError, type Pando, type PandoOptions } from './index.js';

async function kit(options: PandoOptions = {}): Promise<Pando> {
  const pando = await createPando(options);
  onTestFinished(() => pando.close());
  return pando;
}

/** Two kits as two libraries in one process might make them, without knowing of one another: even the name is the same. */
const strangers = () => Promise.all([kit({ limits }), kit({ limits })]);
const limits = { policies: { write: '1/h' } };

/** The lines of Prometheus' text that tell of one metric. */
const linesOf = async ({ metrics }: Pando, name: string): Promise<string[]> =>
  (await metrics.expose()).split('\n').filter((line) => line.startsWith(name));

describe('two kits in one process', () => {
  it('keep values apart', async () => {
    const [one, two] = await strangers();
    await one.cache.getOrLoad('post', () => 'of one', { tags: ['posts'] });
    expect(await two.cache.getOrLoad('post', () => 'of two', { tags: ['posts'] })).toBe('of two');
    await one.cache.invalidate(['posts']);
    expect(await two.cache.getOrLoad('post', () => 'loaded anew')).toBe('of two');
  });

  it('keep channels apart', async () => {
    const [one, two] = await strangers();
    const heard: unknown[] = [];
    await two.realtime.subscribe('news', ({ data }) => heard.push(data));
    await one.realtime.publish('news', 'of one');
    await two.realtime.publish('news', 'of two');
    await expect.poll(() => heard).toEqual(['of two']);
  });

  it('keep limits apart', async () => {
    const [one, two] = await strangers();
    const passed = async (pando: Pando) => (await pando.limits.consume('write', 'ann')).allowed;
    expect([await passed(one), await passed(two), await passed(one), await passed(two)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('keep requests and tokens apart, also where one runs inside the other', async () => {
    const [one, two] = await strangers();
    const { signal } = new AbortController();
    const request = ({ kernel }: Pando, code: () => Promise<void>) =>
      kernel.contexts.run(kernel.contexts.open({ id: 'request', signal }), code);
    await request(one, async () => {
      expect(two.kernel.contexts.isOpen()).toBe(false);
      await request(two, async () => {
        await one.cache.invalidate(['posts']);
        const written = one.kernel.contexts.current().token;
        expect(one.tokens.decode(one.tokens.encode(written))).toEqual({ kind: 'token', token: written });
        expect(two.kernel.contexts.current().token).not.toEqual(written);
        // Without a common secret neither believes what the other has signed.
        expect(two.tokens.decode(one.tokens.encode(written))).toEqual({ kind: 'foreign' });
      });
    });
  });

  it('keep metrics apart, and add them up only in a registry that both were given', async () => {
    const [one, two] = await strangers();
    await one.cache.invalidate(['posts']);
    const confirmed = 'pando_cache_invalidations_total{outcome="confirmed"}';
    expect(await linesOf(one, confirmed)).toEqual([`${confirmed} 1`]);
    expect(await linesOf(two, confirmed)).toEqual([`${confirmed} 0`]);

    const { registry } = one.metrics;
    const third = await kit({ metrics: { registry } });
    await third.cache.invalidate(['posts']);
    expect(await linesOf(one, confirmed)).toEqual([`${confirmed} 2`]);
    await third.close();
    expect(await linesOf(one, confirmed)).toEqual([`${confirmed} 1`]);
  });

  it('listen to signals each for itself, and stop one by one', async () => {
    const before = process.listenerCount('SIGTERM');
    const [one, two] = await strangers();
    expect(process.listenerCount('SIGTERM')).toBe(before + 2);
    await one.close();
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    await two.close();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  it('go on when the other one ends', async () => {
    const [one, two] = await strangers();
    const heard: unknown[] = [];
    await two.realtime.subscribe('news', ({ data }) => heard.push(data));
    await one.close();
    await expect(one.cache.getOrLoad('post', () => 1)).rejects.toSatisfy((error) =>
      isPandoError(error, 'PANDO_CLOSED'),
    );
    expect(two.lifecycle.state).not.toBe('closed');
    expect(two.lifecycle.draining.aborted).toBe(false);
    await two.realtime.publish('news', 'still here');
    await expect.poll(() => heard).toEqual(['still here']);
    expect(await two.cache.getOrLoad('post', () => 'loaded')).toBe('loaded');
    expect((await two.limits.consume('write', 'ann')).allowed).toBe(true);
    expect(two.health.live().status).toBe(200);
    expect(await linesOf(two, 'pando_lifecycle_state{state="closed"}')).toEqual([
      'pando_lifecycle_state{state="closed"} 0',
    ]);
  });
});
