import { expect, test } from 'vitest';
import { noopLogger } from '../../kernel/logger.js';
import type { Decision } from '../../limits/index.js';
import { createLimits } from '../../limits/index.js';
import { ClientAddresses } from '../clients.js';
import { LimitExceededError, type LimitUnavailableError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { Kit } from '../kit.js';
import { LimitHandler } from './limit.js';

const unconfigured = new ClientAddresses(undefined, noopLogger);
const room = createLimits({ policies: { write: '60/min', stacked: ['10/s', '500/h'] } });

/** Consumes once, with a decision that was made beforehand; says who was counted and what the answer says. */
async function consume(
  decision: Partial<Decision>,
  subject?: { readonly key?: string; readonly cost?: number },
  ip = '203.0.113.7',
) {
  const made: Decision = {
    allowed: true,
    policy: 'write',
    limit: 60,
    remaining: 59,
    resetMs: 59_001,
    retryAfterMs: 0,
    source: 'redis',
    ...decision,
  };
  const asked: unknown[] = [];
  const limits: Kit['limits'] = {
    policies: room.policies,
    policy: (name) => room.policy(name),
    async consume(policy, key, options) {
      asked.push(policy, key, options?.cost);
      return made;
    },
  };
  const headers: Record<string, string> = {};
  const exchange = {
    ip,
    signal: new AbortController().signal,
    setAnswerHeader(name: string, value: string) {
      headers[name] = value;
    },
  } as unknown as Exchange;
  const refusal = await new LimitHandler(limits, unconfigured)
    .consume(exchange, made.policy, subject)
    .catch((error) => error);
  return { asked, headers, refusal: refusal as LimitExceededError | LimitUnavailableError | undefined };
}

test('whole seconds, rounded up: nobody comes back too early', async () => {
  const { headers } = await consume({ resetMs: 59_001 });
  expect(headers).toEqual({ 'ratelimit-policy': '"write";q=60;w=60', ratelimit: '"write";r=59;t=60' });
});

test('keys and addresses are counted apart', async () => {
  expect((await consume({})).asked).toEqual(['write', 'ip:203.0.113.7', undefined]);
  expect((await consume({}, { key: '203.0.113.7', cost: 3 })).asked).toEqual(['write', 'key:203.0.113.7', 3]);
  expect((await consume({}, {}, '2001:db8::1')).asked[1]).toBe('ip:2001:db8:0:0::/64');
});

test('the window that decided is named', async () => {
  const { headers } = await consume({ policy: 'stacked', limit: 500, remaining: 7 });
  expect(headers).toEqual({
    'ratelimit-policy': '"stacked-1";q=10;w=1, "stacked-2";q=500;w=3600',
    ratelimit: '"stacked-2";r=7;t=60',
  });
});

test('an instance that counts alone says what it knows', async () => {
  const { headers } = await consume({ source: 'local', limit: 20, remaining: 3 });
  expect(headers.ratelimit).toBe('"write";r=3;t=60');
});

test('what was not counted is not claimed', async () => {
  expect((await consume({ source: 'open' })).headers).toEqual({});
});

test('a refusal is an error with everything that an error handler needs, and the answer has it already', async () => {
  const { refusal, headers } = await consume({ allowed: false, remaining: 0, retryAfterMs: 1_001 });
  expect(refusal).toBeInstanceOf(LimitExceededError);
  expect(refusal).toMatchObject({
    status: 429,
    statusCode: 429,
    code: 'PANDO_HTTP_LIMIT_EXCEEDED',
    retryable: true,
  });
  expect(refusal?.headers).toEqual({ 'retry-after': '2', 'cache-control': 'no-store' });
  expect(headers).toMatchObject({
    'retry-after': '2',
    'cache-control': 'no-store',
    ratelimit: '"write";r=0;t=60',
  });
});

test('a limit that cannot be asked and refuses is the fault of the server', async () => {
  const { refusal, headers } = await consume({ allowed: false, source: 'closed' });
  expect(refusal).toMatchObject({ status: 503, code: 'PANDO_HTTP_LIMIT_UNAVAILABLE' });
  expect(headers).toEqual({ 'retry-after': '1', 'cache-control': 'no-store' });
});

test('who is banned is told that, and nothing else', async () => {
  const { refusal, headers } = await consume({ allowed: false, source: 'ban', retryAfterMs: 60_000 });
  expect(refusal).toMatchObject({ status: 403, code: 'PANDO_HTTP_BANNED', retryable: false });
  expect(headers).toEqual({ 'cache-control': 'no-store' });
});

test('a policy that does not exist is refused at once', () => {
  const { policies } = room;
  const limits = { policies, policy: room.policy.bind(room), consume: room.consume.bind(room) };
  const handler = new LimitHandler(limits, unconfigured);
  expect(() => handler.check('wirte')).toThrow(/write/);
});
