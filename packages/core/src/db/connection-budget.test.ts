import { describe, expect, it } from 'vitest';
import type { Fleet } from '../kernel/fleet.js';
import type { LogMethod } from '../kernel/logger.js';
import { noopLogger } from '../kernel/logger.js';
import { ConnectionBudget } from './connection-budget.js';
import { databaseDefaults } from './options.js';

function setup(connectionBudget: number | 'auto' | false, { size = 10, overflow = 20 } = {}) {
  const instances = ['self'];
  const fleet: Fleet = { self: 'self', instances: () => instances };
  const told: string[] = [];
  const tell =
    (level: string): LogMethod =>
    ({ connections, wanted }) =>
      told.push(`${level}: ${connections} of ${wanted}`);
  const budget = new ConnectionBudget({
    options: { connectionBudget, pool: { ...databaseDefaults.pool, size, overflow } },
    fleet,
    logger: { ...noopLogger, warn: tell('warn'), info: tell('info') },
  });
  const meet = (count: number) =>
    instances.splice(0, instances.length, ...Array.from({ length: count }, String));
  return { budget, meet, told };
}

describe('the share of an instance', () => {
  it('is what its pool allows while there is enough for all', () => {
    const { budget, meet, told } = setup(93);
    for (const count of [1, 2, 3]) {
      meet(count);
      expect(budget.shareOf('a', undefined)).toBe(30);
    }
    expect(told).toEqual([]);
  });

  it('leaves room for all instances, each with one connection that watches, and grows when some have gone', () => {
    const { budget, meet, told } = setup(93);
    for (const count of [4, 8, 60, 200]) {
      meet(count);
      const share = budget.shareOf('a', undefined);
      expect(share).toBeGreaterThan(0);
      if (count < 40) expect((share + 1) * count).toBeLessThanOrEqual(93);
    }
    meet(3);
    expect(budget.shareOf('a', undefined)).toBe(30);
    expect(told).toEqual(['warn: 22 of 30', 'warn: 10 of 30', 'warn: 1 of 30', 'info: 30 of 30']);
  });

  it('is of what each server says that it has', () => {
    const { budget, meet } = setup('auto');
    meet(5);
    expect(budget.shareOf('small', 50)).toBe(9);
    expect(budget.shareOf('large', 500)).toBe(30);
    expect(budget.shareOf('behind a pooler', undefined)).toBe(30);
  });

  it('is as much as the pool allows where that was asked for', () => {
    const { budget, meet } = setup(false);
    meet(50);
    expect(budget.shareOf('a', 97)).toBe(30);
  });
});
