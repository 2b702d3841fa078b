import { describe, expect, it } from 'vitest';
import { compareRounds, quantile } from './statistics.mjs';

describe('the quantile of a series', () => {
  it('is its middle value for a half, in whatever order they came', () => {
    expect(quantile([9, 1, 5], 0.5)).toBe(5);
  });

  it('lies between two neighbours where it falls between them', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4, 5, 6], 0.25)).toBe(2.25);
  });

  it('is the only value of a series of one', () => {
    expect(quantile([7], 0.25)).toBe(7);
  });

  it('leaves the series as it was', () => {
    const values = [3, 1, 2];
    quantile(values, 0.5);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('a comparison of rounds', () => {
  it('has the median of the ratios, not the ratio of the medians', () => {
    // A machine that is four times slower in the last round slows both.
    const { ours, theirs, ratio } = compareRounds([200, 400, 90], [100, 100, 30], 'more');
    expect(ours).toBe(200);
    expect(theirs).toBe(100);
    expect(ratio).toBe(3);
  });

  it('is above 1 in favour of ours, for figures where more is better and for those where less is', () => {
    expect(compareRounds([20], [10], 'more').ratio).toBe(2);
    expect(compareRounds([10], [20], 'less').ratio).toBe(2);
    expect(compareRounds([20], [10], 'less').ratio).toBe(0.5);
  });

  it('spreads over the middle half of the ratios, lower end first', () => {
    expect(compareRounds([1, 2, 3, 4, 50], [1, 1, 1, 1, 1], 'more').spread).toEqual([2, 4]);
    expect(compareRounds([1, 1, 1, 1, 1], [50, 4, 3, 2, 1], 'less').spread).toEqual([2, 4]);
  });

  it('refuses rounds without a partner, and figures that cannot be', () => {
    expect(() => compareRounds([1, 2], [1], 'more')).toThrow('got 2 of ours and 1 of theirs');
    expect(() => compareRounds([], [], 'more')).toThrow(RangeError);
    expect(() => compareRounds([1, 0], [1, 1], 'more')).toThrow('a positive figure, got 0');
    expect(() => compareRounds([1], [Number.NaN], 'less')).toThrow('got NaN');
  });
});
