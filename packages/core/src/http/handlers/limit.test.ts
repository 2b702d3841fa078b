import { expect, test } from 'vitest';
import { createKernel } from '../../kernel/kernel.js';
import { noopLogger } from '../../kernel/logger.js';
import { createLimits, type Decision } from '../../limits/index.js';
import { createFakeClock } from '../../testing/fake-clock.js';
import { ClientAddresses } from '../clients.js';
import { LimitExceededError, type LimitUnavailableError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import type { LimitHeaders } from '../limit-headers.js';
import type { LimitOptions } from '../limit-options.js';
import { LimitHandler } from './limit.js';

const room = createLimits({
  policies: {
    write: '60/min',
    stacked: ['10/s', '500/h'],
    even: ['10/s', '10/min'],
    plans: { tiers: { free: '10/min', premium: ['20/s', '900/min'], enterprise: false } },
    seen: { windows: '60/min', shadow: true, onUnavailable: 'closed' },
    shut: { windows: '60/min', onUnavailable: 'closed' },
    open: { windows: '60/min', onUnavailable: 'open' },
  },
});
const unconfigured = new ClientAddresses(undefined, noopLogger);

/** What a case asks for beside the decision, which is made beforehand. */
interface Case extends LimitOptions<string> {
  readonly ip?: string;
  readonly form?: LimitHeaders;
  readonly times?: number;
  /** Whether the decision is made at once. */
  readonly isKnown?: boolean;
}

/** Consumes; says who was counted, what the answer says, and what was logged. */
async function consume(
  decision: Partial<Decision> = {},
  { ip = '203.0.113.7', form = 'draft', times = 1, isKnown = false, ...options }: Case = {},
) {
  const policy = decision.policy ?? 'write';
  const made: Decision = {
    allowed: true,
    policy,
    limit: 60,
    windowMs: 60_000,
    remaining: 59,
    resetMs: 59_001,
    retryAfterMs: 0,
    source: 'redis',
    ...decision,
  };
  const asked: unknown[] = [];
  const warnings: unknown[] = [];
  const logger = { ...noopLogger, warn: (details: { readonly err: unknown }) => warnings.push(details.err) };
  const kit = {
    kernel: createKernel({ clock: createFakeClock(), logger: logger as never }),
    limits: {
      policies: room.policies,
      policy: (name: string) => room.policy(name),
      banOf: () => undefined,
      decide(name: string, key: string, asking?: { readonly cost?: number; readonly tier?: string }) {
        asked.push([name, key, asking?.cost, asking?.tier]);
        return isKnown ? made : Promise.resolve(made);
      },
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
  const handler = new LimitHandler(kit as never, unconfigured, form);
  const route = handler.route(policy, options);
  let refusal: unknown;
  for (let request = 0; request < times; request++)
    refusal = await new Promise((next) => handler.consume(exchange, route, 'the request', next));
  return {
    asked,
    headers,
    warnings,
    now: kit.kernel.clock.now(),
    refusal: refusal as LimitExceededError | LimitUnavailableError | undefined,
  };
}

test('whole seconds, rounded up: nobody comes back too early', async () => {
  const { headers } = await consume({ resetMs: 59_001 });
  expect(headers).toEqual({ 'ratelimit-policy': '"write";q=60;w=60', ratelimit: '"write";r=59;t=60' });
});

test('the older headers tell the instant of the reset', async () => {
  const { headers, now } = await consume({}, { form: 'legacy' });
  expect(headers).toEqual({
    'x-ratelimit-limit': '60',
    'x-ratelimit-remaining': '59',
    'x-ratelimit-reset': String(Math.ceil((now + 59_001) / 1_000)),
  });
  const both = await consume({}, { form: 'both' });
  expect(Object.keys(both.headers)).toHaveLength(5);
  expect((await consume({}, { form: false })).headers).toEqual({});
});

test('keys, parts of keys and addresses are counted apart', async () => {
  const counted = async (options: Case) => (await consume({}, options)).asked[0];
  expect(await counted({})).toEqual(['write', 'ip:203.0.113.7', 1, undefined]);
  expect(await counted({ key: () => '203.0.113.7', cost: 3 })).toEqual([
    'write',
    'key:203.0.113.7',
    3,
    undefined,
  ]);
  expect(await counted({ ip: '2001:db8::1' })).toContain('ip:2001:db8:0:0::/64');
  expect(await counted({ key: async () => ({ user: 'ann' }) })).toContain('user:ann');
});

test('a request is asked for its key, cost and tier', async () => {
  const options: Case = {
    key: async (request) => ({ tenant: request, user: 'ann' }),
    cost: async () => 5,
    tier: async () => 'premium',
  };
  const { asked } = await consume({ policy: 'plans' }, options);
  expect(asked).toEqual([['plans', 'tenant:the request,user:ann', 5, 'premium']]);
});

test('each tier has quotas of its own in the headers, and the one without limit has none', async () => {
  const premium = { policy: 'plans', tier: 'premium', limit: 900, remaining: 7 };
  expect((await consume(premium, { tier: 'premium' })).headers).toEqual({
    'ratelimit-policy': '"plans-premium-1";q=20;w=1, "plans-premium-2";q=900;w=60',
    ratelimit: '"plans-premium-2";r=7;t=60',
  });
  const exempt = { policy: 'plans', tier: 'enterprise', source: 'exempt' } as const;
  expect((await consume(exempt, { tier: 'enterprise' })).headers).toEqual({});
});

test('the window that decided is named, also beside one with the same limit', async () => {
  const { headers } = await consume({ policy: 'stacked', limit: 500, windowMs: 3_600_000, remaining: 7 });
  expect(headers).toEqual({
    'ratelimit-policy': '"stacked-1";q=10;w=1, "stacked-2";q=500;w=3600',
    ratelimit: '"stacked-2";r=7;t=60',
  });
  expect((await consume({ policy: 'even', limit: 10 })).headers.ratelimit).toBe('"even-2";r=59;t=60');
});

test('an instance that counts alone says what it knows', async () => {
  const { headers } = await consume({ source: 'local', limit: 20, remaining: 3 });
  expect(headers.ratelimit).toBe('"write";r=3;t=60');
});

test('what was not counted is not claimed, nor what a shadow counts', async () => {
  expect((await consume({ source: 'open' })).headers).toEqual({});
  const { headers, refusal } = await consume({ policy: 'seen', shadowed: true, remaining: 0 });
  expect([headers, refusal]).toEqual([{}, undefined]);
});

test('a refusal is an error with everything that an error handler needs, and the answer has it already', async () => {
  const { refusal, headers } = await consume({ allowed: false, remaining: 0, retryAfterMs: 1_001 });
  expect(refusal).toBeInstanceOf(LimitExceededError);
  expect(refusal).toMatchObject({
    status: 429,
    statusCode: 429,
    code: 'PANDO_HTTP_LIMIT_EXCEEDED',
    retryable: true,
    quota: 'write',
  });
  expect(refusal?.headers).toEqual({ 'retry-after': '2', 'cache-control': 'no-store' });
  expect(headers).toMatchObject({
    'retry-after': '2',
    'cache-control': 'no-store',
    ratelimit: '"write";r=0;t=60',
  });
});

test('clients are told to come back when there is room or up to a tenth later, not all at once', async () => {
  const made = { allowed: false, resetMs: 60_000, retryAfterMs: 60_000 };
  const refusals = await Promise.all(Array.from({ length: 200 }, () => consume(made)));
  const waits = refusals.map(({ headers }) => Number(headers['retry-after']));
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(60);
  expect(Math.max(...waits)).toBeLessThanOrEqual(66);
  expect(new Set(waits).size).toBeGreaterThan(1);
  for (const { refusal } of refusals) {
    expect(refusal?.retryAfterMs).toBeGreaterThanOrEqual(60_000);
    expect(refusal?.retryAfterMs).toBeLessThanOrEqual(66_000);
    expect(refusal?.message).toContain(`Try again in ${refusal?.headers['retry-after']} s.`);
  }
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

const boom = new Error('no database');
const failing: readonly (readonly [string, LimitOptions<string>])[] = [
  ['a key that throws', { key: () => raise(boom) }],
  ['a key that rejects', { key: () => Promise.reject(boom) }],
  ['a key that throws nothing', { key: () => raise(undefined) }],
  ['a cost that throws', { cost: () => raise(boom) }],
  ['a tier that rejects, beside a wrong cost', { tier: () => Promise.reject(boom), cost: () => 0 }],
];

test.each(failing)('%s does what the policy says for when it cannot count', async (_, options) => {
  const local = await consume({}, options);
  expect([local.asked, local.refusal]).toEqual([[['write', 'ip:203.0.113.7', 1, undefined]], undefined]);
  const open = await consume({ policy: 'open' }, options);
  expect([open.asked, open.refusal, open.headers]).toEqual([[], undefined, {}]);
  const shut = await consume({ policy: 'shut' }, options);
  expect(shut.asked).toEqual([]);
  expect(shut.refusal).toMatchObject({ status: 503, code: 'PANDO_HTTP_LIMIT_UNAVAILABLE' });
  const seen = await consume({ policy: 'seen' }, options);
  expect([seen.asked, seen.refusal]).toEqual([[], undefined]);
});

const wrong: readonly (readonly [string, LimitOptions<string>])[] = [
  ['an empty key', { key: () => '' }],
  ['a number for a key', { key: () => 7 as never }],
  ['a key of an empty part', { key: () => ({ user: '' }) }],
  ['a key that passes for an address', { key: () => ({ ip: '203.0.113.9' }) }],
  ['a cost of nothing', { cost: () => 0 }],
  ['a negative cost', { cost: () => -5 }],
  ['a cost that is no number', { cost: () => Number.NaN }],
  ['a cost in text', { cost: () => '5' as never }],
  ['a cost out of bounds', { cost: () => 1e308 }],
  ['an endless cost', { cost: async () => Number.POSITIVE_INFINITY }],
  ['an unknown tier', { tier: () => 'gold' }],
];

test.each(wrong)('%s lets nobody past a limit', async (_, options) => {
  for (const policy of ['write', 'open', 'shut']) {
    const { asked, warnings } = await consume({ policy }, options);
    expect(asked).toEqual([[policy, 'ip:203.0.113.7', 1, undefined]]);
    expect(warnings).toHaveLength(1);
  }
});

test('what fails alone is replaced alone, and told once a minute', async () => {
  const options: Case = { key: () => ({ user: 'ann' }), cost: () => 3, tier: () => raise(boom), times: 3 };
  const { asked, warnings } = await consume({ policy: 'plans' }, options);
  expect(asked).toEqual(Array.from({ length: 3 }, () => ['plans', 'user:ann', 3, undefined]));
  expect(warnings).toEqual([boom]);
});

test('a policy or a tier that does not exist is refused at once', () => {
  const kit = { kernel: createKernel(), limits: room };
  const handler = new LimitHandler(kit, unconfigured, 'draft');
  expect(() => handler.route('wirte', {})).toThrow(/write/);
  expect(() => handler.route('plans', { tier: 'premum' })).toThrow('"premium"');
  expect(() => handler.route('write', { tier: 'free' })).toThrow('the policy has no tiers');
});

function raise(cause: unknown): never {
  throw cause;
}
