import { expect, it } from 'vitest';
import { LagControl } from './lag-control.js';

/** A control that has seen the loop so late for so many looks. */
function seen(lagMs: number, looks: number): LagControl {
  const control = new LagControl(25);
  for (let look = 0; look < looks; look++) control.look(lagMs);
  return control;
}

it('refuses nothing while the loop is as punctual as it should be', () => {
  const control = seen(20, 100);
  expect(control.shedRatio).toBe(0);
  expect(control.refuses('sheddable', 0)).toBe(false);
});

it('goes at what is sheddable first, then at what is normal, and never at what is critical', () => {
  const early = seen(60, 5);
  expect(early.shedRatio).toBeGreaterThan(0);
  expect(early.shedRatio).toBeLessThan(0.5);
  expect([early.refuses('sheddable', 0), early.refuses('normal', 0)]).toEqual([true, false]);
  const late = seen(200, 100);
  expect(late.shedRatio).toBe(1);
  expect([late.refuses('sheddable', 0.99), late.refuses('normal', 0.99)]).toEqual([true, true]);
  expect(late.refuses('critical', 0)).toBe(false);
});

it('refuses a part of them, which grows and shrinks', () => {
  const control = seen(60, 5);
  const before = control.shedRatio;
  control.look(60);
  expect(control.shedRatio).toBeGreaterThan(before);
  for (let look = 0; look < 50; look++) control.look(0);
  expect(control.shedRatio).toBe(0);
});
