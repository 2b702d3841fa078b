import { waitFor } from '@pando/core/testing';
import { describe, expect, it } from 'vitest';
import { startRedis } from '../../infra/redis.js';
import { floorsOfThisFile } from './floors.js';

const { make, open, closeLater } = floorsOfThisFile();

describe('credentials', () => {
  it('that are wrong make the start fail, in one line that says what to do', async () => {
    const redis = await startRedis({ password: 'right' });
    closeLater(() => redis.close());
    const floor = make({ host: redis.host, port: redis.port, password: 'wrong' });
    await expect(floor.start()).rejects.toMatchObject({
      code: 'PANDO_REDIS_REFUSED',
      message: expect.stringMatching(
        new RegExp(
          `^Redis at 127.0.0.1:${redis.port} refuses us: WRONGPASS .*[^.]\\. Check username, password`,
        ),
      ),
    });
  });

  it('that are missing make the start fail, too', async () => {
    const redis = await startRedis({ password: 'right' });
    closeLater(() => redis.close());
    const floor = make({ host: redis.host, port: redis.port });
    await expect(floor.start()).rejects.toMatchObject({ code: 'PANDO_REDIS_REFUSED' });
  });

  it('from a function are fetched anew for every connection', async () => {
    const redis = await startRedis({ password: 'first' });
    closeLater(() => redis.close());
    let password = 'first';
    let fetched = 0;
    const credentials = async () => {
      fetched++;
      return { password };
    };
    const floor = await open({ host: redis.host, port: redis.port, credentials });
    expect(floor.isLive).toBe(true);

    const admin = redis.connect({ lazyConnect: true });
    closeLater(() => admin.quit());
    await admin.connect();
    await admin.config('SET', 'requirepass', 'second');
    password = 'second';
    const before = fetched;
    const epochs: string[] = [];
    floor.events.on('up', ({ epoch }) => void epochs.push(epoch));
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');

    await waitFor(() => epochs.length > 0 && floor.isUp && floor.isLive);
    expect(fetched).toBeGreaterThan(before);
  });
});

describe('a database number that does not exist', () => {
  it('makes the start fail, instead of using another one', async () => {
    const redis = await startRedis();
    closeLater(() => redis.close());
    const floor = make({ host: redis.host, port: redis.port, db: 99 });
    await expect(floor.start()).rejects.toMatchObject({
      code: 'PANDO_REDIS_REFUSED',
      message: expect.stringContaining('DB index is out of range'),
    });
  });
});

describe('TLS', () => {
  it('works with the authority that signed the certificate', async () => {
    const redis = await startRedis({ tls: true });
    closeLater(() => redis.close());
    const floor = await open({ url: redis.url, tls: { ca: redis.ca } });
    expect(floor).toMatchObject({ isUp: true, isLive: true });
    expect(await floor.call(['PING'])).toBe('PONG');
  });

  it('fails the start when the certificate is not trusted', async () => {
    const redis = await startRedis({ tls: true });
    closeLater(() => redis.close());
    await expect(make(redis.url).start()).rejects.toMatchObject({ code: 'PANDO_REDIS_REFUSED' });
  });
});

describe('TLS handshakes', () => {
  it.each([
    ['of a server', (host: string, port: number) => ({ host, port })],
    ['of a sentinel', (host: string, port: number) => ({ sentinels: [{ host, port }], name: 'main' })],
    ['of a cluster node', (host: string, port: number) => ({ nodes: [{ host, port }] })],
  ])('%s that are cut short never bring the process down', async (_, target) => {
    const redis = await startRedis({ tls: true });
    closeLater(() => redis.close());
    // An error event without a listener would fail this run as an uncaught exception.
    for (let round = 0; round < 100; round++) {
      // Our end of the handshake and the refusal of the certificate cross, each with an error of its own.
      const startTimeoutMs = 1 + (round % 10);
      const floor = make({ ...target(redis.host, redis.port), tls: true, startTimeoutMs });
      await floor.start().catch((error) => expect(error.code).toBe('PANDO_REDIS_REFUSED'));
      await floor.close();
    }
  });
});

describe('a user without rights', () => {
  it('makes the start fail, naming what is missing', async () => {
    const redis = await startRedis();
    closeLater(() => redis.close());
    await redis.command(
      'ACL',
      'SETUSER',
      'guest',
      'on',
      '>secret',
      '~*',
      '&*',
      '+@connection',
      '+info',
      '+subscribe',
    );
    const floor = make({ host: redis.host, port: redis.port, username: 'guest', password: 'secret' });
    await expect(floor.start()).rejects.toMatchObject({ message: expect.stringMatching(/NOPERM .*eval/i) });
  });

  it('needs no INFO: the epoch then lasts as long as its key', async () => {
    const redis = await startRedis();
    closeLater(() => redis.close());
    await redis.command(
      'ACL',
      'SETUSER',
      'modest',
      'on',
      '>secret',
      '~pando:*',
      '&pando:*',
      '+@all',
      '-info',
    );
    const floor = await open({ host: redis.host, port: redis.port, username: 'modest', password: 'secret' });
    expect(floor).toMatchObject({ isUp: true, isLive: true });
  });
});
