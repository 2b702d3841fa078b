import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { attemptSuite } from '../testing/suites/attempts.js';
import { accountName, addressName } from './account.js';
import { createLimits, createMemoryWorld, type ProtectionSettings } from './index.js';

const minute = 60_000;
const address = '203.0.113.7';

attemptSuite('attempts counted in memory', async () => {
  const world = createMemoryWorld();
  return { limits: async (options) => createLimits(options, { world }) };
});

function roomWith(login: ProtectionSettings = {}) {
  const clock = createFakeClock();
  const limits = createLimits({ protections: { login } }, { kernel: createKernel({ clock }) });
  const begin = (account = 'ann', from = address) => limits.attempt('login', { account, address: from });
  const fail = async (times: number, account?: string, from?: string) => {
    for (let time = 0; time < times; time++) await (await begin(account, from)).failed();
  };
  return { clock, limits, begin, fail };
}

describe('blocks', () => {
  it('grow with each that follows, and begin anew after a success', async () => {
    const { clock, begin, fail } = roomWith({ pair: '2/15m', blockMs: [minute, 5 * minute] });
    for (const block of [minute, 5 * minute, 5 * minute]) {
      await fail(2);
      expect(await begin()).toMatchObject({ allowed: false, decision: { retryAfterMs: block } });
      await clock.advance(block - 1);
      expect((await begin()).allowed).toBe(false);
      await clock.advance(1);
    }
    await (await begin()).succeeded();
    await fail(2);
    expect((await begin()).decision.retryAfterMs).toBe(minute);
  });

  it('are left out on demand: the window decides', async () => {
    const { clock, begin, fail } = roomWith({ pair: '2/15m', blockMs: false });
    await fail(2);
    const { allowed, decision } = await begin();
    expect([allowed, decision.retryAfterMs > minute]).toEqual([false, true]);
    await clock.advance(decision.retryAfterMs);
    expect((await begin()).allowed).toBe(true);
  });

  it('end early for who has proven in another way whose account it is', async () => {
    const { begin, fail } = roomWith({ pair: '2/15m' });
    await fail(2);
    await (await begin()).succeeded();
    expect((await begin()).allowed).toBe(true);
  });
});

describe('an account with many failures from elsewhere', () => {
  const attackers = Array.from({ length: 12 }, (_, host) => `198.51.100.${host}`);
  const attacked = async () => {
    const setting = roomWith({ account: '10/15m', slowMs: 2_000 });
    for (const from of attackers.slice(0, 10)) await setting.fail(1, 'ann', from);
    return setting;
  };

  it('is slow to answer, but never refused: nobody locks its owner out', async () => {
    const { clock, begin } = await attacked();
    let began = false;
    const attempt = begin().then((one) => {
      began = true;
      return one;
    });
    await clock.advance(1_999);
    expect(began).toBe(false);
    await clock.advance(1);
    expect((await attempt).allowed).toBe(true);
  });

  it('leaves others as fast as they were', async () => {
    const { begin } = await attacked();
    expect((await begin('ben')).allowed).toBe(true);
  });

  it('waits no longer for who has gone', async () => {
    const { limits, clock } = await attacked();
    const gone = new AbortController();
    const attempt = limits.attempt('login', { account: 'ann', address, signal: gone.signal });
    const outcome = expect(attempt).rejects.toThrow('gone');
    await clock.advance(10);
    gone.abort(new Error('gone'));
    await outcome;
    await clock.advance(0);
    expect(clock.pending).toBe(0);
  });
});

describe('an attempt', () => {
  it('is told once how it ended', async () => {
    const { begin } = roomWith({ pair: '2/15m', blockMs: [minute] });
    await (await begin()).failed();
    const attempt = await begin();
    await attempt.failed();
    await attempt.succeeded();
    expect((await begin()).allowed).toBe(false);
  });

  it('stays counted when nothing is said about it', async () => {
    const { begin } = roomWith({ pair: '2/15m' });
    await begin();
    await begin();
    expect((await begin()).allowed).toBe(false);
  });

  it('is given back when it could not be found out, and failures before it are not', async () => {
    const { begin, fail } = roomWith({ pair: '2/15m', address: '3/15m' });
    await fail(1);
    for (let outage = 0; outage < 5; outage++) await (await begin()).abandoned();
    await fail(1);
    expect((await begin()).allowed).toBe(false);
    expect((await begin('ben')).allowed).toBe(true);
    expect((await begin('cid')).allowed).toBe(false);
  });

  it('of a banned address is refused', async () => {
    const { limits, begin } = roomWith();
    await limits.ban('203.0.113.0/24');
    expect(await begin()).toMatchObject({ allowed: false, decision: { source: 'ban', policy: 'login' } });
  });

  it('at a banned account is refused, however that is written', async () => {
    const { limits, begin } = roomWith();
    await limits.ban('ann@example.com');
    for (const account of ['ann@example.com', ' ANN@example.com'])
      expect(await begin(account)).toMatchObject({ allowed: false, decision: { source: 'ban' } });
    expect((await begin('ben@example.com')).allowed).toBe(true);
  });

  it('under an unknown protection, or without a name or an address, is thrown at once', async () => {
    const { limits } = roomWith();
    expect(() => limits.attempt('lgoin', { account: 'ann', address })).toThrow('Did you mean "login"?');
    expect(() => limits.attempt('login', { account: '', address })).toThrow('non-empty string');
    expect(() => limits.attempt('login', { account: 'ann', address: '' })).toThrow('non-empty string');
    await limits.close();
    const late = limits.attempt('login', { account: 'ann', address });
    await expect(late).rejects.toMatchObject({ code: 'PANDO_CLOSED' });
  });
});

describe('an account', () => {
  it('is one however it is written', () => {
    const forms = [
      'straße@x.com',
      'STRASSE@X.COM',
      ' Straße@x.com ',
      'ｓｔｒａｓｓｅ@x.com',
      'stra\u00ADsse@x.com',
      'ﬆrasse@x.com',
    ];
    expect(new Set(forms.map(accountName))).toEqual(new Set(['strasse@x.com']));
    expect(accountName('Zoe\u0301')).toBe(accountName('ZOÉ'));
    expect(accountName('ann  smith')).toBe(accountName('Ann\u00A0Smith'));
    expect(accountName('ann\tsmith\n')).toBe('ann smith');
    for (const invisible of ['\uFEFF', '\u200B', '\u034F', '\uFE0F', '\u3164', '\u0000'])
      expect(accountName(`an${invisible}n`), invisible.codePointAt(0)?.toString(16)).toBe('ann');
    expect(accountName('ann')).not.toBe(accountName('anna'));
  });

  it('is tried from an address, or from the /64 of one', () => {
    expect(addressName('::ffff:203.0.113.7')).toBe(address);
    expect(addressName('2001:db8::1')).toBe(addressName('2001:DB8:0:0:ffff::9'));
    expect(addressName('2001:db8::1')).not.toBe(addressName('2001:db8:0:1::1'));
    expect(addressName('a device')).toBe('a device');
  });
});

describe('options of a protection', () => {
  it.each([
    [{ login: { pair: '5' } }, 'limits.protections.login.pair must be a limit'],
    [{ login: { blockMs: [] } }, 'limits.protections.login.blockMs must be a list of durations'],
    [{ login: { blockMs: ['5m'] } }, 'limits.protections.login.blockMs must be a list of durations'],
    [{ login: { slowMs: 0 } }, 'limits.protections.login.slowMs must be'],
    [{ login: { acount: '5/m' } }, 'Did you mean "account"?'],
    [{ 'log in': {} }, 'named with 1 to 64 letters'],
    [[], 'limits.protections must be an object of protections'],
  ])('%j are refused', (protections, message) => {
    expect(() => createLimits({ protections: protections as never })).toThrow(message);
  });
});
