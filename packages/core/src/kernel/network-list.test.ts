import { expect, test } from 'vitest';
import { type Network, NetworkList, networkOf } from './network-list.js';

test('a network has an address, and as many bits as that has at most', () => {
  expect(networkOf('10.0.0.0/8')).toEqual({ address: '10.0.0.0', prefixBits: 8, family: 'ipv4' });
  expect(networkOf('fd00::/8')).toEqual({ address: 'fd00::', prefixBits: 8, family: 'ipv6' });
  expect(networkOf('192.0.2.7')).toEqual({ address: '192.0.2.7', prefixBits: 32, family: 'ipv4' });
});

test.each([
  '10.0.0.0/',
  '10.0.0.0/33',
  '::/129',
  '10.0.0.0/8/8',
  '10.0.0.0/-1',
  '300.0.0.0/8',
  'fe80::1%eth0',
])('%s was meant to be one, and is not', (text) => {
  expect(networkOf(text)).toBe(false);
});

test.each(['::ffff:10.0.0.0/104', '::FFFF:a00:0/104', '0:0:0:0:0:ffff:a00:0/104'])(
  '%s would meet nobody',
  (text) => {
    expect(networkOf(text)).toBe(false);
  },
);

test.each(['', '/8', 'loopback', 'user:ann'])('"%s" is something else', (text) => {
  expect(networkOf(text)).toBeUndefined();
});

test('an address is in it however it is written', () => {
  const list = new NetworkList(['10.0.0.0/8', 'fd00::/8'].map((text) => networkOf(text) as Network));
  for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '::ffff:a01:203', 'fd12::1', 'FD12::1%eth0'])
    expect(list.has(address), address).toBe(true);
  for (const address of ['11.1.2.3', '::1', 'fe80::1', '10.1', ''])
    expect(list.has(address), address).toBe(false);
});
