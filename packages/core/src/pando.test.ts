import { describe, expect, it } from 'vitest';
import { createPando, isPandoError } from './index.js';

describe('createPando', () => {
  it('runs in one process without any server', async () => {
    await using pando = await createPando({ limits: { policies: { write: '2/min' } } });
    const received: unknown[] = [];
    await pando.realtime.subscribe('posts', ({ data }) => received.push(data));
    await pando.realtime.publish('posts', { n: 1 });
    await expect.poll(() => received).toEqual([{ n: 1 }]);

    let loads = 0;
    const load = () => pando.cache.getOrLoad('post:1', () => ({ loads: ++loads }), { tags: ['posts'] });
    expect([await load(), await load()]).toEqual([{ loads: 1 }, { loads: 1 }]);
    await pando.cache.invalidate(['posts']);
    expect(await load()).toEqual({ loads: 2 });

    const decisions = [];
    for (let call = 0; call < 3; call++) decisions.push((await pando.limits.consume('write', 'me')).allowed);
    expect(decisions).toEqual([true, true, false]);
    expect(await pando.metrics.expose()).toContain('pando_');
  });

  it('says what to do when a statement is sent without a database', async () => {
    await using pando = await createPando();
    await expect(pando.db.read('select 1')).rejects.toMatchObject({
      code: 'PANDO_DB_NOT_CONFIGURED',
      message: expect.stringContaining('createPando({ db: { primary: … } })'),
    });
  });

  it.each([
    [{ redsi: 'x' }, 'unknown option "redsi". Did you mean "redis"?'],
    [
      { cache: { ttlMs: '5m' } },
      'cache.ttlMs must be a positive number of milliseconds, got "5m". Did you mean 300000?',
    ],
    [{ cache: { ttlMs: -1 } }, 'cache.ttlMs must be a positive number of milliseconds, got -1.'],
    [
      { db: { primary: 'postgres://localhost/x', replica: [] } },
      'unknown option "replica" in db. Did you mean "replicas"?',
    ],
    [{ name: 'a b' }, 'name must be 1 to 64 letters'],
    [{ instanceId: 'web\r\nx: y' }, 'instanceId must be printable ASCII without spaces'],
    [{ secret: 'short' }, 'secret must be a random text of at least 16 characters'],
    [{ secert: 'x' }, 'unknown option "secert". Did you mean "secret"?'],
    [{ logger: console.log }, 'logger must be an object with debug, info, warn and error'],
    [{ clock: {} }, 'clock must be an object with now, monotonic, after and every'],
    [{ cache: { redis: 'redis://u:p@h' } }, 'cache.redis must be left out: the kit\'s own "redis" holds'],
    [{ limits: { name: 'b' } }, 'limits.name must be left out: the kit\'s own "name" holds for all rooms'],
    [{ realtime: 5 }, 'realtime must be an object, got 5.'],
  ])('refuses %j in one line', async (options, message) => {
    const failure = await createPando(options as never).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(isPandoError(failure)).toBe(true);
    expect((failure as Error).message).toContain(message);
    expect((failure as Error).message).not.toContain('\n');
  });

  it('keeps two kits of one process apart', async () => {
    await using one = await createPando({ name: 'one' });
    await using two = await createPando({ name: 'two' });
    const heard: unknown[] = [];
    await two.realtime.subscribe('posts', ({ data }) => heard.push(data));
    await one.realtime.publish('posts', 'for one');
    await two.realtime.publish('posts', 'for two');
    await expect.poll(() => heard).toEqual(['for two']);
    await one.cache.getOrLoad('key', () => 'of one');
    expect(await two.cache.getOrLoad('key', () => 'of two')).toBe('of two');
    const signal = new AbortController().signal;
    one.kernel.contexts.run(one.kernel.contexts.open({ id: 'request', signal }), () => {
      expect(two.kernel.contexts.isOpen()).toBe(false);
    });
    expect(two.tokens.decode(one.tokens.encode(one.kernel.contexts.current().token))).toEqual({
      kind: 'foreign',
    });
  });

  it('closes once, whoever asks and however often', async () => {
    const pando = await createPando();
    await Promise.all([pando.close(), pando.close()]);
    await pando.close();
    expect(pando.lifecycle.state).toBe('closed');
    await expect(pando.realtime.publish('posts', 1)).rejects.toSatisfy((error) => isPandoError(error));
  });

  it('lets go of its context storage when it is closed, which would slow the process for ever', async () => {
    const pando = await createPando();
    const { contexts } = pando.kernel;
    const { signal } = new AbortController();
    await contexts.run(contexts.open({ id: 'last request', signal }), async () => {
      expect(contexts.isOpen()).toBe(true);
      await pando.close();
      expect(contexts.isOpen()).toBe(false);
    });
  });

  it('tells its caller why it could not start, and does not end the process, nor listens on', async () => {
    const before = process.listenerCount('SIGTERM');
    const failing = createPando({
      redis: { host: '127.0.0.1', port: 1, startTimeoutMs: 20 },
      lifecycle: { exit: true },
    });
    await expect(failing).rejects.toMatchObject({ code: 'PANDO_SECRET_UNAVAILABLE' });
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  it('leaves no signal listener behind when it fails to start', async () => {
    const before = process.listenerCount('SIGTERM');
    await expect(createPando({ limits: { polices: {} } } as never)).rejects.toThrow(
      'Did you mean "policies"?',
    );
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});
