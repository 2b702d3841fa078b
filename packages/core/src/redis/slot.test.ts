import { describe, expect, it } from 'vitest';
import { slotOf } from './slot.js';

describe('slotOf', () => {
  it('gives the slots that the Redis Cluster specification gives', () => {
    expect(slotOf('123456789')).toBe(0x31c3 % 16_384); // the specification's check value of the CRC
    expect(slotOf('foo')).toBe(12_182);
    expect(slotOf('somekey')).toBe(11_058);
    expect(slotOf('')).toBe(0);
  });
});
