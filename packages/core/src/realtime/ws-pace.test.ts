import { describe, expect, it } from 'vitest';
import { type Consequence, Pace } from './ws-pace.js';

describe('the pace of a client', () => {
  it('is a burst, and then what is earned over time', () => {
    const pace = new Pace(10, 0);
    const sends = (count: number, now: number) =>
      Array.from({ length: count }, () => pace.takes(now)).filter((taken) => taken).length;
    expect(sends(300, 0)).toBe(256);
    expect(sends(300, 1_000)).toBe(10);
    expect(sends(300, 1_050)).toBe(0);
    expect(sends(300, 1_100)).toBe(1);
    expect(sends(300, 100_000)).toBe(256);
    expect(pace.retryAfterMs).toBe(100);
  });

  it('is free where nothing is said', () => {
    const pace = new Pace(false, 0);
    for (let n = 0; n < 1_000; n++) expect(pace.takes(0)).toBe(true);
  });

  it('is told once a second, and the connection closed when that is not heeded', () => {
    const pace = new Pace(10, 0);
    const told: [number, Consequence][] = [];
    for (let now = 0; told.at(-1)?.[1] !== 'close'; now += 100) {
      const consequence = pace.refuse(now);
      if (consequence !== 'nothing') told.push([now, consequence]);
    }
    expect(told).toEqual([
      [0, 'tell'],
      [1_000, 'tell'],
      [2_000, 'tell'],
      [3_000, 'close'],
    ]);
  });

  it('is forgiven after some calm', () => {
    const pace = new Pace(10, 0);
    for (let now = 0; now < 100_000; now += 5_000) expect(pace.refuse(now)).toBe('tell');
  });

  it('closes the connection at once where it is a flood', () => {
    const pace = new Pace(10, 0);
    const consequences = Array.from({ length: 257 }, () => pace.refuse(0));
    expect([consequences[0], consequences[1], consequences[255], consequences[256]]).toEqual([
      'tell',
      'nothing',
      'nothing',
      'close',
    ]);
  });
});
