import { describe, expect, it } from 'vitest';
import { type RedisOption, redisDefaults, resolveRedisOptions } from './options.js';

describe('resolveRedisOptions', () => {
  it('takes a URL, with defaults for the rest', () => {
    const { port, db, ...patience } = redisDefaults;
    const target = { kind: 'url', url: 'redis://localhost:1' };
    expect(resolveRedisOptions('redis://localhost:1')).toMatchObject({ target, ...patience });
  });

  it.each<[RedisOption, object]>([
    [{ host: 'a' }, { kind: 'server', address: { host: 'a', port: 6_379 } }],
    [
      { host: 'a', port: 7 },
      { kind: 'server', address: { host: 'a', port: 7 } },
    ],
    [{ path: '/run/redis.sock' }, { kind: 'socket', path: '/run/redis.sock' }],
    [
      { sentinels: [{ host: 's', port: 1 }], name: 'main' },
      { kind: 'sentinel', sentinels: [{ host: 's', port: 1 }], name: 'main' },
    ],
    [{ nodes: [{ host: 'n', port: 1 }] }, { kind: 'cluster', nodes: [{ host: 'n', port: 1 }] }],
  ])('understands %j', (option, target) => {
    expect(resolveRedisOptions(option).target).toEqual(target);
  });

  it.each<[unknown, string]>([
    [{}, 'redis.url must be given, or one of host, path, sentinels, nodes, client'],
    [{ url: 'redis://a', host: 'b' }, 'redis.host must be absent when redis.url is given'],
    [
      'localhost:6379',
      'redis.url must be a redis:// or rediss:// URL such as "redis://localhost:6379", got "loc',
    ],
    ['http://localhost', 'URL such as "redis://localhost:6379", got "http://localhost"'],
    ['redis://u:secret@', 'URL such as "redis://localhost:6379", got "redis://…@"'],
    [
      { sentinels: [{ host: 's', port: 1 }] },
      'redis.name must be the name of the master that the sentinels watch',
    ],
    [{ nodes: [] }, 'redis.nodes must be a list of { host, port }'],
    [{ nodes: ['a:1'] }, 'redis.nodes must be a list of { host, port }'],
    [{ client: {} }, 'redis.client must be an ioredis 5 or 6 client'],
    [{ host: 'a', tls: 'yes' }, 'redis.tls must be true, false or the options of tls.connect'],
    [{ host: 'a', commandTimeoutMs: '1s' }, 'Did you mean 1000?'],
    [{ host: 'a', pasword: 'x' }, 'unknown option "pasword" in redis. Did you mean "password"?'],
  ])('refuses %j', (option, message) => {
    expect(() => resolveRedisOptions(option as RedisOption)).toThrow(message);
  });
});
