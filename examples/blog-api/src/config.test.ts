import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from './config.js';

describe('the configuration', () => {
  it('runs one Express instance on port 8000 of this machine when nothing is set', () => {
    expect(readConfig({})).toMatchObject({
      framework: 'express',
      host: '127.0.0.1',
      port: 8000,
      redisUrl: undefined,
      databaseUrl: undefined,
      replicaUrls: [],
      chatRequiresLogin: false,
      drainDelayMs: 0,
    });
  });

  it('takes everything from the environment', () => {
    const config = readConfig({
      FRAMEWORK: 'Fastify',
      HOST: '0.0.0.0',
      PORT: '0',
      REDIS_URL: 'rediss://cache:6380',
      DATABASE_URL: 'postgres://db/blog',
      DATABASE_REPLICA_URLS: 'postgres://r1/blog, postgresql://r2/blog,',
      CHAT_REQUIRES_LOGIN: '1',
      LIMIT_WRITE: '5/s',
    });
    expect(config).toMatchObject({
      framework: 'fastify',
      host: '0.0.0.0',
      port: 0,
      redisUrl: 'rediss://cache:6380',
      databaseUrl: 'postgres://db/blog',
      replicaUrls: ['postgres://r1/blog', 'postgresql://r2/blog'],
      chatRequiresLogin: true,
      limits: { write: '5/s' },
    });
  });

  it('waits for the balancer before it ends only where there can be one', () => {
    expect(readConfig({ REDIS_URL: 'redis://cache' }).drainDelayMs).toBe(5_000);
    expect(readConfig({ REDIS_URL: 'redis://cache', DRAIN_DELAY_MS: '0' }).drainDelayMs).toBe(0);
  });

  it('counts an empty variable as absent', () => {
    expect(readConfig({ PORT: '', REDIS_URL: ' ', FRAMEWORK: '' })).toEqual(readConfig({}));
  });

  it.each([
    ['PORT', '-1', 'PORT must be a whole number from 0 to 65535, got "-1".'],
    ['PORT', '65536', 'PORT must be a whole number from 0 to 65535, got "65536".'],
    ['PORT', '80a', 'PORT must be a whole number from 0 to 65535, got "80a".'],
    ['PORT', '8e3', 'PORT must be a whole number from 0 to 65535, got "8e3".'],
    ['FRAMEWORK', 'koa', 'FRAMEWORK must be one of express, fastify, got "koa".'],
    ['LOG_LEVEL', 'loud', 'LOG_LEVEL must be one of debug, info, warn, error, silent, got "loud".'],
    ['CHAT_REQUIRES_LOGIN', 'yes', 'CHAT_REQUIRES_LOGIN must be true or false, got "yes".'],
    ['LIMIT_CHAT', '10', 'LIMIT_CHAT must be a rate such as 60/min, with s, min, h or d, got "10".'],
    [
      'DATABASE_REPLICA_URLS',
      'postgres://r1/blog',
      'DATABASE_REPLICA_URLS is set, but DATABASE_URL is not: set it to the URL of their primary.',
    ],
  ])('refuses %s=%s and says what to set', (name, value, message) => {
    expect(() => readConfig({ [name]: value })).toThrow(new ConfigError(message));
  });

  it.each(['REDIS_URL', 'DATABASE_URL', 'JWT_SECRET', 'PANDO_SECRET'])(
    'keeps a wrong %s out of the message',
    (name) => {
      const refused = () => readConfig({ [name]: 'http://me:pw@' });
      expect(refused).toThrow(ConfigError);
      expect(refused).not.toThrow(/pw/);
    },
  );
});
