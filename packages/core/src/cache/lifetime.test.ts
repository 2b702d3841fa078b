import { describe, expect, it } from 'vitest';
import { drawTtlMs, lifetimeDefaults, lifetimeOf } from './lifetime.js';

const defaults = { ...lifetimeDefaults, ttlMs: 5_000, jitterRatio: 0.2 };

describe('the lifetime that a call asks for', () => {
  it('is the given defaults where it asks for nothing', () => {
    expect(lifetimeOf('getOrLoad', {}, defaults)).toBe(defaults);
    expect(lifetimeOf('getOrLoad', { ttlMs: undefined }, defaults)).toBe(defaults);
  });

  it('takes from them what it leaves out', () => {
    expect(lifetimeOf('getOrLoad', { ttlMs: 1 }, defaults)).toEqual({ ...defaults, ttlMs: 1 });
    expect(lifetimeOf('getOrLoad', { jitterRatio: 0 }, defaults)).toEqual({ ...defaults, jitterRatio: 0 });
  });

  it('refuses what is no lifetime, and says whose it is', () => {
    for (const ttlMs of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5' as never, null as never]) {
      expect(() => lifetimeOf('getOrLoad', { ttlMs }, defaults)).toThrow(/^cache\.getOrLoad\.ttlMs must be/);
    }
    expect(() => lifetimeOf('getOrLoad', { ttlMs: 0 }, defaults)).toThrow(/^cache\.getOrLoad\.ttlMs must be/);
    expect(() => lifetimeOf('set', { jitterRatio: 2 }, defaults)).toThrow(/^cache\.set\.jitterRatio must be/);
  });
});

describe('the time for which a value is stored', () => {
  it('is shortened by up to the jitter, never lengthened', () => {
    expect(drawTtlMs(defaults, () => 0)).toBe(5_000);
    expect(drawTtlMs(defaults, () => 1)).toBe(4_000);
  });

  it('is never nothing', () => {
    expect(drawTtlMs({ ...defaults, ttlMs: 2, jitterRatio: 1 }, () => 1)).toBe(1);
  });
});
