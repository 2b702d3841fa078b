import { expect, test } from 'vitest';
import { type HttpOptions, resolveHttpOptions } from './http-options.js';

test('everything is answered at its usual place by default', () => {
  const { probes, cookie, health } = resolveHttpOptions({}, [], ['orders']);
  expect(Object.fromEntries(probes)).toEqual({
    '/health/live': 'live',
    '/health/ready': 'ready',
    '/health/startup': 'startup',
    '/health/orders': 'group:orders',
    '/health': 'report',
    '/api/v1/health': 'report',
    '/metrics': 'metrics',
  });
  expect(cookie).toEqual({ maxAgeMs: 30_000 });
  expect(health).toEqual({ format: 'json', details: 'never' });
});

test('what is switched off is gone', () => {
  expect(
    resolveHttpOptions({ health: false, metrics: false, cookie: false, slowClients: false, tokens: false }),
  ).toEqual({
    cookie: false,
    slowClients: false,
    tokens: undefined,
    limitHeaders: 'draft',
    probes: new Map(),
    health: { format: 'json', details: 'never' },
  });
});

test('answers tell of limits in a form that there is', () => {
  expect(resolveHttpOptions({ limitHeaders: 'both' }).limitHeaders).toBe('both');
  expect(resolveHttpOptions({ limitHeaders: false }).limitHeaders).toBe(false);
  expect(() => resolveHttpOptions({ limitHeaders: 'draft-7' as never })).toThrow(
    'http.limitHeaders must be one of "draft", "legacy", "both", or false, got "draft-7".',
  );
});

test('paths can be moved one by one', () => {
  const health = { live: '/livez', report: '/healthz', groups: '/' };
  const { probes } = resolveHttpOptions({ health, metrics: { path: '/m' } }, [], ['orders']);
  expect([...probes.keys()].sort()).toEqual([
    '/health/ready',
    '/health/startup',
    '/healthz',
    '/livez',
    '/m',
    '/orders',
  ]);
});

test('a group may not have the place of another answer', () => {
  expect(() => resolveHttpOptions({ health: { groups: '/' } }, [], ['health'])).toThrow(
    'http.health.groups must be a path below which "health" is free, got "/".',
  );
});

test('tokens are kept as long as the cookie lives, unless something else is said', () => {
  const userOf = () => 'ann';
  expect(resolveHttpOptions({ tokens: { userOf } }).tokens).toEqual({ userOf, maxAgeMs: 30_000, waitMs: 50 });
  expect(resolveHttpOptions({ cookie: { maxAgeMs: 9_000 }, tokens: { userOf } }).tokens?.maxAgeMs).toBe(
    9_000,
  );
  expect(resolveHttpOptions({ cookie: false, tokens: { userOf, maxAgeMs: 2_000 } }).tokens?.maxAgeMs).toBe(
    2_000,
  );
});

test.each<[unknown, string]>([
  [{ tokens: {} }, 'http.tokens.userOf must be a function that names the user of a request'],
  [{ helth: false }, 'unknown option "helth" in http. Did you mean "health"?'],
  [{ health: { live: 'live' } }, 'http.health.live must be a path such as "/health/live", got "live".'],
  [{ health: { format: 'xml' } }, 'http.health.format must be one of "json", "health+json", got "xml".'],
  [
    { health: { details: true } },
    'http.health.details must be "never", "always", or a function of the request',
  ],
  [{ health: { report: ['/ok', 7] } }, 'http.health.report must be a path'],
  [{ metrics: { path: '/m?x' } }, 'http.metrics.path must be a path'],
  [{ metrics: { url: '/m' } }, 'unknown option "url" in http.metrics'],
  [{ cookie: { maxAgeMs: '30s' } }, 'http.cookie.maxAgeMs must be'],
])('%j is refused with a message that says why', (options, message) => {
  expect(() => resolveHttpOptions(options as HttpOptions)).toThrow(message);
});
