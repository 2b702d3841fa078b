import { createLimits } from '@pando/core/limits';
import { describe, expect, it } from 'vitest';
import { UnauthorizedError } from '../errors.js';
import { Gate, protections } from './gate.js';

const wrong = () => Promise.reject(new UnauthorizedError('wrong'));
const broken = () => Promise.reject(new Error('no database'));
const address = '203.0.113.7';

describe('the gate', () => {
  it('closes for an account after ten failures from one address, whether there is such an account or not', async () => {
    const gate = new Gate(createLimits({ protections }));
    const answers = async (account: string) => {
      const codes: unknown[] = [];
      for (let failure = 0; failure < 12; failure++)
        codes.push(await gate.pass('login', { account, address }, wrong).catch((error) => error.status));
      return codes;
    };
    const expected = [...Array(10).fill(401), 429, 429];
    expect(await answers('ann@example.com')).toEqual(expected);
    expect(await answers('nobody@example.com')).toEqual(expected);
    expect(
      await gate.pass('login', { account: 'ANN@example.com', address: '198.51.100.1' }, async () => 1),
    ).toBe(1);
  });

  it('stays open while nobody can tell who is right', async () => {
    const gate = new Gate(createLimits({ protections }));
    for (let outage = 0; outage < 20; outage++)
      await expect(gate.pass('login', { account: 'ann', address }, broken)).rejects.toThrow('no database');
    expect(await gate.pass('login', { account: 'ann', address }, async () => 1)).toBe(1);
  });
});
