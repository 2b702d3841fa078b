import { expect, it } from 'vitest';
import { Denials } from './denials.js';

const refusal = (resetMs: number) => ({ fits: false, window: 0, remaining: 0, resetMs });

it('refusals are remembered of as many keys as the bound, and the newest in any case', () => {
  const denials = new Denials();
  for (let key = 0; key < 300_000; key++) {
    denials.add(`k${key}`, 1, refusal(60_000), 0);
    expect(denials.find(`k${key}`, 1, 0)).toBeDefined();
  }
  expect(denials.size).toBe(100_000);
});

it('refusals that are over make way for new ones', () => {
  const denials = new Denials();
  for (let key = 0; key < 1_000; key++) denials.add(`old${key}`, 1, refusal(1_000), 0);
  for (let key = 0; key < 1_000; key++) denials.add(`new${key}`, 1, refusal(1_000), 1_000);
  expect(denials.size).toBe(1_000);
  expect(denials.find('new0', 1, 1_000)).toBeDefined();
});
