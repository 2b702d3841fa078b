import { expect, test } from 'vitest';
import { type HttpOptions, resolveHttpOptions } from './http-options.js';

test('everything is answered at its usual place by default', () => {
  const { probes, cookie } = resolveHttpOptions();
  expect(Object.fromEntries(probes)).toEqual({
    '/health/live': 'live',
    '/health/ready': 'ready',
    '/health': 'report',
    '/api/v1/health': 'report',
    '/metrics': 'metrics',
  });
  expect(cookie).toEqual({ maxAgeMs: 30_000 });
});

test('what is switched off is gone', () => {
  expect(resolveHttpOptions({ health: false, metrics: false, cookie: false })).toEqual({
    cookie: false,
    probes: new Map(),
  });
});

test('paths can be moved one by one', () => {
  const { probes } = resolveHttpOptions({
    health: { live: '/livez', report: '/healthz' },
    metrics: { path: '/m' },
  });
  expect([...probes.keys()]).toEqual(['/livez', '/health/ready', '/healthz', '/m']);
});

test.each<[unknown, string]>([
  [{ helth: false }, 'unknown option "helth" in http. Did you mean "health"?'],
  [{ health: { live: 'live' } }, 'http.health.live must be a path such as "/health/live", got "live".'],
  [{ health: { report: ['/ok', 7] } }, 'http.health.report must be a path'],
  [{ metrics: { path: '/m?x' } }, 'http.metrics.path must be a path'],
  [{ metrics: { url: '/m' } }, 'unknown option "url" in http.metrics'],
  [{ cookie: { maxAgeMs: '30s' } }, 'http.cookie.maxAgeMs must be'],
])('%j is refused with a message that says why', (options, message) => {
  expect(() => resolveHttpOptions(options as HttpOptions)).toThrow(message);
});
