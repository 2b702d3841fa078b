import { expect, test } from 'vitest';
import { checkSsePlan, type SsePlan } from './sse-plan.js';

test('a plan names channels, and may say how they are sent and who listens', () => {
  const plan: SsePlan = { channels: ['a'], format: 'raw', identity: 7, presence: { id: 'ann', info: {} } };
  expect(() => checkSsePlan(plan)).not.toThrow();
});

test.each([
  [{ chanels: ['a'] }, 'unknown option "chanels" in http.sse. Did you mean "channels"?'],
  [{}, 'http.sse.channels must be a list of channels, got undefined.'],
  [{ channels: 'a' }, 'http.sse.channels must be a list of channels, got "a".'],
  [{ channels: ['a'], fromat: 'raw' }, 'unknown option "fromat" in http.sse. Did you mean "format"?'],
  [{ channels: ['a'], format: 'json' }, 'http.sse.format must be one of "raw", "envelope", got "json".'],
  [
    { channels: ['a'], presence: { ids: 'ann' } },
    'unknown option "ids" in http.sse.presence. Did you mean "id"?',
  ],
  [undefined, 'http.sse.channels must be a list of channels, got undefined.'],
])('%j is refused before the first byte', (plan, message) => {
  expect(() => checkSsePlan(plan as never)).toThrow(message);
});
