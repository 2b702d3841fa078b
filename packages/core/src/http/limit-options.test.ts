import { expect, test } from 'vitest';
import { checkLimitOptions } from './limit-options.js';

const plain = {};
const tiered = {
  tiers: new Map<string, []>([
    ['free', []],
    ['premium', []],
  ]),
};

test('a key, a cost and a tier may be given, each as a function', () => {
  expect(() => checkLimitOptions({ key: () => 'ann', cost: 2 }, plain)).not.toThrow();
  expect(() => checkLimitOptions({ cost: () => 2, tier: () => 'premium' }, tiered)).not.toThrow();
  expect(() => checkLimitOptions({ tier: 'premium' }, tiered)).not.toThrow();
});

test.each([
  [{ key: 'ann' }, 'http.limit.key must be a function, got "ann".'],
  [{ tier: 7 }, 'http.limit.tier must be one of "free", "premium", got 7.'],
  [{ tier: 'premum' }, 'http.limit.tier must be one of "free", "premium", got "premum".'],
  [{ cost: 0 }, 'http.limit.cost must be a positive whole number, or a function, got 0.'],
  [{ costs: 2 }, 'unknown option "costs" in http.limit. Did you mean "cost"?'],
  [null, 'http.limit must be an object, got null.'],
])('%j is refused when the route is set up', (options, message) => {
  expect(() => checkLimitOptions(options, tiered)).toThrow(message);
});

test('a tier is refused under a policy that has none', () => {
  expect(() => checkLimitOptions({ tier: 'premium' }, plain)).toThrow('the policy has no tiers');
});

test('what an adapter reads from the same object is known', () => {
  expect(() => checkLimitOptions({ policy: 'write' }, plain, ['policy'])).not.toThrow();
  expect(() => checkLimitOptions({ polcy: 'write' }, plain, ['policy'])).toThrow('Did you mean "policy"?');
});
