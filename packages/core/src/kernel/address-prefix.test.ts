import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePrefix, prefixText, shorten } from './address-prefix.js';

const textOf = (text: string) => {
  const network = parsePrefix(text);
  return network && prefixText(network);
};

describe('a network', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7/32', '203.0.113.7'],
    ['203.0.113.7/24', '203.0.113.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['::ffff:203.0.113.7/120', '203.0.113.0/24'],
    ['2001:DB8:0:0::/64', '2001:db8::/64'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8:0:0:0:0:0:1'],
    ['2001:db8:1:ffff::9/47', '2001:db8::/47'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['::', '0::'],
    ['::/0', '0::/0'],
    ['64:ff9b::198.51.100.4', '64:ff9b:0:0:0:0:c633:6404'],
  ])('%s reads as %s', (text, canonical) => {
    expect(textOf(text)).toBe(canonical);
    expect(textOf(canonical)).toBe(canonical);
  });

  it.each([
    '',
    'user:7',
    '203.0.113',
    '203.0.113.7/33',
    '203.0.113.7/',
    '203.0.113.7/-1',
    '::/129',
    '1::2::3',
  ])('is not "%s"', (text) => expect(parsePrefix(text)).toBeUndefined());

  it('holds the addresses that begin like it, and no other', () => {
    const net = parsePrefix('203.0.113.0/24');
    const cut = (address: string) => shorten(parsePrefix(address) as never, 24);
    expect(cut('203.0.113.255')).toEqual(net);
    expect(cut('203.0.114.0')).not.toEqual(net);
  });

  it('is the same however an address is written', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        expect(textOf(textOf(address) as string)).toBe(textOf(address));
        expect(parsePrefix(address.toUpperCase())).toEqual(parsePrefix(address));
      }),
    );
  });
});
