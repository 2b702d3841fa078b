import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AddressPrefix, parsePrefix, prefixText } from './address-prefix.js';
import { NetworkList, NetworkMap, readNetwork } from './network-map.js';

const listOf = (...texts: string[]) =>
  new NetworkList(texts.map((text) => readNetwork(text) as AddressPrefix));

describe('a network of the settings', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['fd00::/8', 'fd00::/8'],
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['0:0:0:0:0:ffff:a00:0/104', '10.0.0.0/8'],
  ])('%s means %s', (text, network) => {
    expect(prefixText(readNetwork(text) as AddressPrefix)).toBe(network);
  });

  it.each([
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '300.0.0.0/8',
    '10.0.0/8',
    '::ffff:10.0.0.0/90',
    'fe80::1%eth0',
  ])('is not %s, which was meant to be one', (text) => {
    expect(readNetwork(text)).toBe(false);
  });

  it.each(['', '/8', 'loopback', 'user:ann', '10.1'])('is not "%s", which is something else', (text) => {
    expect(readNetwork(text)).toBeUndefined();
  });
});

describe('a list of networks', () => {
  it('has an address however that is written', () => {
    const list = listOf('10.0.0.0/8', 'fd00::/8');
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '::ffff:a01:203', 'fd12::1', 'FD12::1%eth0'])
      expect(list.has(address), address).toBe(true);
    for (const address of ['11.1.2.3', '::1', 'fe80::1', '10.1', ''])
      expect(list.has(address), address).toBe(false);
  });

  it('of an IPv4 network in its IPv6 form has the addresses of that', () => {
    const list = listOf('::ffff:10.0.0.0/104');
    expect([list.has('10.1.2.3'), list.has('::ffff:10.1.2.3'), list.has('11.1.2.3')]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('has a network that is in one of its own', () => {
    expect([
      listOf('2001:db8::/32').has('2001:db8:1::/48'),
      listOf('2001:db8::/64').has('2001:db8::/48'),
    ]).toEqual([true, false]);
  });
});

it('a map of networks holds what a plain map by their texts would', () => {
  const network = fc
    .tuple(fc.constantFrom('10.1.2.3', '10.1.2.4', '2001:db8::1'), fc.integer({ min: 30, max: 32 }))
    .map(([address, length]) => parsePrefix(`${address}/${length}`) as AddressPrefix);
  fc.assert(
    fc.property(fc.array(fc.tuple(network, fc.option(fc.nat(9), { nil: undefined }))), (changes) => {
      const [map, model] = [new NetworkMap<number>(), new Map<string, number>()];
      for (const [key, value] of changes) {
        if (value === undefined) map.delete(key);
        else map.set(key, value);
        if (value === undefined) model.delete(prefixText(key));
        else model.set(prefixText(key), value);
        expect(map.get(key)).toBe(value);
        expect(map.size).toBe(model.size);
      }
      expect([...map.values()].sort()).toEqual([...model.values()].sort());
      map.clear();
      expect([map.size, ...map.values()]).toEqual([0]);
    }),
  );
});
