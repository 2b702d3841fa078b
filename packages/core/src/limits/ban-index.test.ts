import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePrefix, prefixText } from '../kernel/address-prefix.js';
import { BanIndex } from './ban-index.js';

const forever = Number.POSITIVE_INFINITY;
const banOf = (subject: string, until = forever) => ({
  subject,
  until,
  reason: undefined,
  bannedAt: 0,
  endsAt: undefined,
});
const indexOf = (...subjects: string[]) => {
  const index = new BanIndex();
  for (const subject of subjects) index.set(banOf(subject));
  return index;
};

describe('the index of bans', () => {
  it('finds keys as they are, also as the door counts them', () => {
    const index = indexOf('user:7');
    expect(index.find('user:7', undefined, 0)?.subject).toBe('user:7');
    expect(index.find('key:user:7', undefined, 0)?.subject).toBe('user:7');
    expect(index.find('user:70', undefined, 0)).toBeUndefined();
    expect(index.find('ip:user:7', undefined, 0)).toBeUndefined();
  });

  it('finds an address by a key that is one, or beside another key', () => {
    const index = indexOf('203.0.113.0/24', '2001:db8::/48');
    for (const key of ['203.0.113.7', 'ip:203.0.113.7', 'ip:2001:db8:0:5::/64', '::ffff:203.0.113.7'])
      expect(index.find(key, undefined, 0)).toBeDefined();
    expect(index.find('key:user:7', '203.0.113.7', 0)).toBeDefined();
    expect(index.find('203.0.113.7', '198.51.100.1', 0)).toBeUndefined();
    // A network is not banned because one of its addresses is.
    expect(indexOf('2001:db8:0:0:0:0:0:1').find('ip:2001:db8::/64', undefined, 0)).toBeUndefined();
  });

  it('lets a ban end, and another one that still holds stand', () => {
    const index = new BanIndex();
    index.set(banOf('203.0.113.7', 100));
    index.set(banOf('203.0.113.0/24', 200));
    index.set(banOf('user:7', 100));
    expect(index.find('203.0.113.7', undefined, 199)?.subject).toBe('203.0.113.0/24');
    expect(index.find('203.0.113.7', undefined, 200)).toBeUndefined();
    expect(index.find('user:7', undefined, 100)).toBeUndefined();
  });

  it('agrees with a list of networks, whatever is added and removed', () => {
    const part = fc.constantFrom(0, 1, 127, 128, 255);
    const v4 = fc.tuple(part, part, part, part).map((parts) => parts.join('.'));
    const group = fc.constantFrom('0', '1', '8000', 'ffff', 'db8');
    const v6 = fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(':'));
    const address = fc.oneof(v4, v6);
    const network = fc
      .tuple(address, fc.constantFrom(0, 1, 8, 15, 24, 31, 32, 47, 64, 127, 128))
      .map(([base, length]) =>
        prefixText(parsePrefix(`${base}/${base.includes(':') ? length : length % 33}`) as never),
      );
    const seen = { in: 0, out: 0 };
    fc.assert(
      fc.property(
        fc.array(network, { maxLength: 12 }),
        fc.array(fc.nat(11), { maxLength: 6 }),
        fc.array(address, { minLength: 1, maxLength: 20 }),
        (subjects, removed, asked) => {
          const index = indexOf(...subjects);
          const left = new Set(subjects);
          for (const place of removed) {
            const subject = subjects[place];
            if (subject === undefined) continue;
            index.delete(subject);
            left.delete(subject);
          }
          expect(index.size).toBe(left.size);
          const model = { 4: new BlockList(), 6: new BlockList() };
          for (const subject of left) {
            const { family, length } = parsePrefix(subject) as { family: 4 | 6; length: number };
            model[family].addSubnet(subject.split('/')[0] as string, length, `ipv${family}`);
          }
          for (const text of asked) {
            const family = text.includes(':') ? 6 : 4;
            const expected = model[family].check(text, `ipv${family}`);
            expect(index.find(text, undefined, 0) !== undefined).toBe(expected);
            seen[expected ? 'in' : 'out']++;
          }
        },
      ),
    );
    expect(Math.min(seen.in, seen.out)).toBeGreaterThan(10);
  });
});
