import { describe, expect, it } from 'vitest';
import { afterInvalidation, MAX_EXPIRIES, parseExpiries, withExpiry } from './expiries.js';

const expiry = (sequence: number) => ({ sequence, at: sequence * 10 });
const one = { hard: 3, soft: [expiry(5)] as const };

describe('the expiries of a tag', () => {
  it('are in order, whatever order they are heard of in, and each once', () => {
    const both = { hard: 3, soft: [expiry(5), expiry(7)] };
    expect(withExpiry(one, expiry(7))).toEqual(both);
    expect(withExpiry({ hard: 3, soft: [expiry(7)] }, expiry(5))).toEqual(both);
    expect(withExpiry(one, expiry(5))).toBe(one);
    expect(withExpiry(one, expiry(2))).toBe(one);
  });

  it('that are too many to remember count as invalidations', () => {
    let all = withExpiry(one, expiry(6));
    for (let sequence = 7; sequence < 5 + MAX_EXPIRIES; sequence++) all = withExpiry(all, expiry(sequence));
    expect([all.hard, all.soft.length]).toEqual([3, MAX_EXPIRIES]);
    const more = withExpiry(all, expiry(100));
    expect([more.hard, more.soft.length, more.soft[0]]).toEqual([5, MAX_EXPIRIES, expiry(6)]);
  });

  it('end with an invalidation, but for those after it', () => {
    const both = withExpiry(one, expiry(7));
    expect(afterInvalidation(both, 6)).toEqual({ hard: 6, soft: [expiry(7)] });
    expect(afterInvalidation(both, 7)).toBeUndefined();
  });

  it('are read as scripts write them, and from nothing else', () => {
    expect(parseExpiries('3 5:50 7:70')).toEqual({ hard: 3, soft: [expiry(5), expiry(7)] });
    for (const text of ['', '3', '3 5', '3 5:x', ' 3 5:50', '3 5:50 '])
      expect(parseExpiries(text)).toBeUndefined();
  });
});
