import { expect, it } from 'vitest';
import { LagControl } from './lag-control.js';

/** A control that has seen the loop so late for so many looks. */
function seen(lagMs: number, looks: number): LagControl {
  const control = new LagControl(25);
  for (let look = 0; look < looks; look++) control.look(lagMs, 1);
  return control;
}

it('refuses nothing while the loop is as punctual as it should be', () => {
  const control = seen(20, 100);
  expect(control.shedRatio).toBe(0);
  expect(control.refuses('sheddable', 0)).toBe(false);
});

it('goes at what is sheddable first, then at what is normal, and at what is critical only when that was not enough', () => {
  const early = seen(60, 4);
  expect(early.shedRatio).toBeGreaterThan(0);
  expect([early.refuses('sheddable', 0), early.refuses('normal', 0)]).toEqual([true, false]);
  const late = seen(200, 6);
  expect([late.refuses('sheddable', 0.99), late.refuses('normal', 0.7)]).toEqual([true, true]);
  expect(late.refuses('critical', 0)).toBe(false);
  expect(seen(200, 100).refuses('critical', 0.99)).toBe(true);
});

it('refuses a part of them, which grows and shrinks', () => {
  const control = seen(60, 5);
  const before = control.shedRatio;
  control.look(60, 1);
  expect(control.shedRatio).toBeGreaterThan(before);
  for (let look = 0; look < 50; look++) control.look(0, 1);
  expect(control.shedRatio).toBe(0);
});

it('refuses less where the loop rests all the same: somebody else has the processor', () => {
  const control = seen(200, 5);
  const before = control.shedRatio;
  control.look(200, 0.79);
  expect(control.shedRatio).toBeLessThan(before);
  control.look(200, 0.81);
  expect(control.shedRatio).toBeGreaterThan(before);
});
