import { createLimits } from '@pando/core/limits';
import { attemptSuite } from '@pando/core/testing/suites';
import { afterEach, expect, it } from 'vitest';
import { testRedis } from '../../infra/context.js';
import { floorsOfThisFile } from '../redis/floors.js';

const { open, closeLater } = floorsOfThisFile();

let worlds = 0;
const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const limits of opened.splice(0)) await limits[Symbol.asyncDispose]();
});

attemptSuite('attempts counted in Redis', async () => {
  const { url, name } = testRedis();
  const world = `${name}-${++worlds}`;
  return {
    async limits(options) {
      const limits = createLimits({ ...options, redis: url, name: world, decisionTimeoutMs: 5_000 });
      opened.push(limits);
      await limits.start();
      return limits;
    },
  };
});

it('no account is named in Redis, and every counter expires', async () => {
  const { url, name } = testRedis();
  const limits = createLimits({
    redis: url,
    name,
    decisionTimeoutMs: 5_000,
    protections: { login: { pair: '2/h' } },
  });
  closeLater(() => limits.close());
  await limits.start();
  for (let failure = 0; failure < 2; failure++)
    await (await limits.attempt('login', { account: 'ann@example.com', address: '203.0.113.7' })).failed();
  const floor = await open(url, { name });
  const keys = (await floor.call(['KEYS', floor.keys.spread('limits', '*')])) as string[];
  expect(keys.map((key) => key.split(':')[4]).sort()).toEqual(['account', 'address', 'blocks', 'pair']);
  for (const key of keys) {
    expect(key).not.toMatch(/ann|example/);
    expect(Number(await floor.call(['PTTL', key]))).toBeGreaterThan(0);
  }
});
