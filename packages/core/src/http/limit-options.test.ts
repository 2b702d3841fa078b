import { expect, test } from 'vitest';
import { checkLimitOptions } from './limit-options.js';

test('a key, a cost and a tier may be given, each as a function', () => {
  expect(() => checkLimitOptions({ key: () => 'ann', cost: 2 })).not.toThrow();
  expect(() => checkLimitOptions({ cost: () => 2, tier: () => 'premium' })).not.toThrow();
  expect(() => checkLimitOptions({ tier: 'premium' })).not.toThrow();
});

test.each([
  [{ key: 'ann' }, 'http.limit.key must be a function, got "ann".'],
  [{ tier: 7 }, 'http.limit.tier must be the name of a tier, or a function, got 7.'],
  [{ cost: 0 }, 'http.limit.cost must be a positive whole number, or a function, got 0.'],
  [{ costs: 2 }, 'unknown option "costs" in http.limit. Did you mean "cost"?'],
  [null, 'http.limit must be an object, got null.'],
])('%j is refused when the route is set up', (options, message) => {
  expect(() => checkLimitOptions(options)).toThrow(message);
});

test('what an adapter reads from the same object is known', () => {
  expect(() => checkLimitOptions({ policy: 'write' }, ['policy'])).not.toThrow();
  expect(() => checkLimitOptions({ polcy: 'write' }, ['policy'])).toThrow('Did you mean "policy"?');
});
