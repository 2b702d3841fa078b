import { describe, expect, it } from 'vitest';
import { PrimaryLog } from './primary-log.js';

const filled = (): PrimaryLog => {
  const log = new PrimaryLog(10_000);
  for (let second = 0; second <= 10; second++) log.note(BigInt(second * 100), second * 1_000);
  return log;
};

describe('the lag of a replica', () => {
  it('is the time since the primary had passed its position', () => {
    expect(filled().lagMs(750n)).toBe(2_000);
    expect(filled().lagMs(700n)).toBe(2_000);
  });

  it('is none at the newest position known, and beyond', () => {
    expect(filled().lagMs(1_000n)).toBe(0);
    expect(filled().lagMs(2_000n)).toBe(0);
  });

  it('in bytes is what the primary had written beyond its position', () => {
    expect(filled().lagBytes(750n)).toBe(250);
    expect(filled().lagBytes(1_000n)).toBe(0);
    expect(filled().lagBytes(2_000n)).toBe(0);
  });

  it('does not grow while nothing is written', () => {
    const log = filled();
    for (let second = 11; second <= 60; second++) log.note(1_000n, second * 1_000);
    expect(log.lagMs(1_000n)).toBe(0);
  });

  it('grows while a replica stands still behind written data', () => {
    const log = filled();
    log.note(1_000n, 14_000);
    expect(log.lagMs(950n)).toBe(4_000);
  });

  it('stands still while the primary is away', () => {
    const log = filled();
    expect(log.lagMs(950n)).toBe(0); // passed at the last look
    expect(log.lagMs(850n)).toBe(1_000);
  });

  it('is unknown, so endless, before the first position seen', () => {
    const log = new PrimaryLog(10_000);
    log.note(500n, 0);
    expect(log.lagMs(499n)).toBe(Number.POSITIVE_INFINITY);
  });

  it('stays longer than the limit for a replica that has stopped for long, at bounded cost', () => {
    const log = new PrimaryLog(10_000);
    for (let i = 0; i <= 100_000; i++) log.note(BigInt(1_000 + i), i * 10);
    expect(log.lagMs(1_500n)).toBeGreaterThan(10_000);
    expect(log.size).toBeLessThan(300);
  });

  it('begins anew with another history', () => {
    const log = filled();
    log.reset();
    expect(log.lagMs(5n)).toBe(0);
    log.note(10n, 20_000);
    expect(log.lagMs(10n)).toBe(0);
  });
});
