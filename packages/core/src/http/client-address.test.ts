import { expect, test } from 'vitest';
import { addressKey, plainAddress } from './client-address.js';

test('an IPv4 address counts as itself, in its IPv6 form too', () => {
  expect(addressKey('203.0.113.7')).toBe('203.0.113.7');
  expect(addressKey('::ffff:203.0.113.7')).toBe('203.0.113.7');
  expect(addressKey('::FFFF:203.0.113.7')).toBe('203.0.113.7');
  expect(addressKey('::ffff:cb00:7107')).toBe('203.0.113.7');
  expect(addressKey('0:0:0:0:0:ffff:cb00:7107')).toBe('203.0.113.7');
  expect(addressKey('::1:ffff:203.0.113.7')).not.toBe('203.0.113.7');
});

test.each([
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
])('%s counts as its network %s', (address, network) => {
  expect(addressKey(address)).toBe(network);
});

test('two addresses of one /64 share a limit, those of two do not', () => {
  expect(addressKey('2001:db8:1:2::a')).toBe(addressKey('2001:db8:1:2:ffff:ffff:ffff:ffff'));
  expect(addressKey('2001:db8:1:2::a')).not.toBe(addressKey('2001:db8:1:3::a'));
});

test('what is no address counts as itself', () => {
  expect(addressKey('')).toBe('');
  expect(addressKey('unknown')).toBe('unknown');
});

test.each([
  [48, '2001:db8:1::/48'],
  [56, '2001:db8:1:200::/56'],
  [64, '2001:db8:1:2fe::/64'],
  [128, '2001:db8:1:2fe:0:0:0:1/128'],
])('of an IPv6 address the first %i bits count, where that is said', (bits, network) => {
  expect(addressKey('2001:db8:1:2fe::1', bits)).toBe(network);
  expect(addressKey('203.0.113.7', bits)).toBe('203.0.113.7');
});

test('the plain form of an address knows neither zone nor capitals, and takes nothing else for one', () => {
  expect(plainAddress('FE80::A%eth0')).toBe('fe80::a');
  expect(plainAddress('2001:db8::ffff')).toBe('2001:db8::ffff');
  for (const text of [
    '',
    'unknown',
    '1.2.3',
    '010.0.0.1',
    '1.2.3.4:80',
    '[::1]',
    ' ::1',
    '::1%',
    'a'.repeat(99),
  ])
    expect(plainAddress(text), text).toBeUndefined();
});
