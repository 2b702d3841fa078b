import { parsePrefix, prefixText, shorten } from '../kernel/address-prefix.js';

/** Longer names than any account has make no difference. */
const longestName = 512;
/** What one customer has of the addresses of IPv6. */
const customerBits = 64;

/**
 * The one form of an account's name: ways to write it that people, mail servers and databases take for the same are equal.
 *
 * Case, compatibility forms (NFKC), invisible characters and spaces make no difference.
 */
export function accountName(name: string): string {
  return name
    .slice(0, longestName)
    .normalize('NFKC')
    .replace(/[\t-\r\x85]/g, ' ')
    .replace(/[\p{Cf}\p{Cc}\p{Default_Ignorable_Code_Point}]/gu, '')
    .trim()
    .replace(/\s+/g, ' ')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC');
}

/** What an address is counted under: IPv4 itself, of IPv6 its /64; what is no address stays as it is. */
export function addressName(address: string): string {
  const prefix = parsePrefix(address);
  if (prefix === undefined) return address;
  return prefixText(prefix.family === 6 ? shorten(prefix, customerBits) : prefix);
}
