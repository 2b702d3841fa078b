import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckResult } from '../kernel/room.js';
import { Verdict, worst } from './verdict.js';

const status = fc.constantFrom<CheckResult['status']>('healthy', 'degraded', 'saturated', 'unhealthy');

describe('a verdict', () => {
  it('is what the first look saw', () => {
    fc.assert(
      fc.property(status, (seen) => {
        const verdict = new Verdict({ failAfter: 3, passAfter: 2 });
        expect(verdict.status).toBeUndefined();
        expect(verdict.add(seen)).toBe(true);
        expect(verdict.status).toBe(seen);
      }),
    );
  });

  it('never flips when looks alternate', () => {
    const verdict = new Verdict({ failAfter: 2, passAfter: 2 });
    verdict.add('healthy');
    for (let look = 0; look < 100; look++) {
      expect(verdict.add(look % 2 === 0 ? 'unhealthy' : 'healthy')).toBe(false);
    }
  });

  it('gets worse only after so many worse looks in a row, and better after so many better ones', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(status, { minLength: 1, maxLength: 40 }),
        (failAfter, passAfter, looks) => {
          const verdict = new Verdict({ failAfter, passAfter });
          const rank = { healthy: 0, degraded: 1, saturated: 2, unhealthy: 3 };
          for (const [index, look] of looks.entries()) {
            const before = verdict.status;
            const changed = verdict.add(look);
            expect(changed).toBe(before !== verdict.status);
            if (before === undefined || !changed) continue;
            const isWorse = rank[look] > rank[before];
            const needed = isWorse ? failAfter : passAfter;
            const last = looks.slice(index - needed + 1, index + 1);
            expect(last).toHaveLength(needed);
            for (const seen of last) expect(rank[seen] > rank[before]).toBe(isWorse);
            expect(verdict.status).toBe(look);
          }
        },
      ),
    );
  });

  it('follows in the end, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(status), status, (looks, last) => {
        const verdict = new Verdict({ failAfter: 3, passAfter: 3 });
        for (const look of [...looks, last, last, last]) verdict.add(look);
        expect(verdict.status).toBe(last);
      }),
    );
  });
});

it('the worst of nothing is healthy', () => {
  expect(worst([])).toBe('healthy');
  expect(worst(['healthy', 'unhealthy', 'degraded'])).toBe('unhealthy');
});
