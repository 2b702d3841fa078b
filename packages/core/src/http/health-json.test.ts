import { expect, test } from 'vitest';
import { healthJsonOf } from './health-json.js';

const timestamp = '2026-01-01T00:00:00.000Z';

test('each status has its word in the draft', () => {
  const components = { a: 'healthy', b: 'degraded', c: 'saturated', d: 'unhealthy' } as const;
  expect(healthJsonOf({ status: 'unhealthy', timestamp, components })).toEqual({
    status: 'fail',
    checks: {
      a: [{ status: 'pass' }],
      b: [{ status: 'warn' }],
      c: [{ status: 'warn' }],
      d: [{ status: 'fail' }],
    },
  });
});

test('details tell when a check was run, and what it said unless it passes', () => {
  const seen = { critical: true, shared: false, detail: 'said', checkedAt: 0, durationMs: 3 };
  const body = {
    status: 'degraded',
    timestamp,
    version: '1.2.3',
    components: { fine: 'healthy', slow: 'degraded', new: 'unhealthy' },
    details: {
      fine: { ...seen, status: 'healthy' },
      slow: { ...seen, status: 'degraded' },
      new: { status: 'unhealthy', critical: true, shared: true, checkedAt: undefined, durationMs: undefined },
    },
  } as const;
  const looked = { time: '1970-01-01T00:00:00.000Z', observedValue: 3, observedUnit: 'ms' };
  expect(healthJsonOf(body)).toEqual({
    status: 'warn',
    releaseId: '1.2.3',
    checks: {
      fine: [{ status: 'pass', ...looked }],
      slow: [{ status: 'warn', ...looked, output: 'said' }],
      new: [{ status: 'fail' }],
    },
  });
});
