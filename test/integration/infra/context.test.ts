import { Redis } from 'ioredis';
import pg from 'pg';
import { expect, test } from 'vitest';
import { seed, testDatabase, testRedis } from '../../infra/context.js';

test('a test file has the shared Redis with a name of its own', async () => {
  const { url, name, prefix } = testRedis();
  expect(name).toMatch(/^context-[0-9a-f]{8}$/);
  expect(testRedis().name).not.toBe(name);
  const redis = new Redis(url);
  await redis.set(`${prefix}key`, 'value');
  expect(await redis.get(`${prefix}key`)).toBe('value');
  redis.disconnect();
});

test('a test database is empty and on the primary and both replicas', async () => {
  const { primary, replicas } = await testDatabase();
  expect(replicas).toHaveLength(2);
  const rolesOf = async (url: string) => {
    const client = new pg.Client(url);
    await client.connect();
    const { rows } = await client.query(
      'select pg_is_in_recovery() as standby, count(*)::int as tables from pg_tables where schemaname = $1',
      ['public'],
    );
    await client.end();
    return rows[0];
  };
  expect(await rolesOf(primary)).toEqual({ standby: false, tables: 0 });
  for (const url of replicas) expect(await rolesOf(url)).toEqual({ standby: true, tables: 0 });
});

test('a seed is a whole number', () => {
  expect(Number.isSafeInteger(seed())).toBe(true);
});
