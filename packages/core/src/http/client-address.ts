import { isIPv6 } from 'node:net';

/**
 * What a limit counts an address under: an IPv4 address itself, of an IPv6 address its /64.
 *
 * A single customer gets at least a /64, so that counting whole addresses would count nothing.
 */
export function addressKey(address: string): string {
  const bare = address.replace(/%.*$/, ''); // the zone of link-local addresses
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped !== null) return mapped[1] as string;
  if (!isIPv6(bare)) return bare;
  const [head = '', tail] = bare.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? [] : tail.split(':');
    // A dotted quad at the end stands for two groups.
    const missing = 8 - groups.length - rest.length - (tail.includes('.') ? 1 : 0);
    groups.push(...Array.from({ length: missing }, () => '0'), ...rest);
  }
  const prefix = groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${prefix.join(':')}::/64`;
}
