import { isIP, isIPv4 } from 'node:net';

/**
 * An address in the one form that is compared: an IPv4 address as such, also where it came in its IPv6 form; IPv6 in
 * lower case and without a zone. Undefined for what is no address.
 */
export function plainAddress(text: string): string | undefined {
  const family = text.length > longest ? 0 : isIP(text);
  if (family === 4) return text;
  if (family === 0) return undefined;
  const zone = text.indexOf('%');
  const address = (zone === -1 ? text : text.slice(0, zone)).toLowerCase();
  return (address.includes('ffff') ? mapped(groupsOf(address)) : undefined) ?? address;
}

/** An IPv6 address with a zone, which is the name of an interface. */
const longest = 64;

/**
 * What a limit counts an address under: an IPv4 address itself, of an IPv6 address its network of so many bits.
 *
 * A single customer gets at least a /64, so that counting whole addresses would count nothing.
 */
export function addressKey(address: string, ipv6PrefixBits = 64): string {
  const plain = plainAddress(address);
  if (plain === undefined) return address;
  if (isIPv4(plain)) return plain;
  const whole = ipv6PrefixBits >> 4;
  const bits = ipv6PrefixBits & 15;
  const groups = groupsOf(plain);
  const prefix = groups.slice(0, whole);
  if (bits > 0) prefix.push((groups[whole] as number) & (0xffff << (16 - bits)));
  const text = prefix.map((group) => group.toString(16)).join(':');
  return `${text}${prefix.length < 8 ? '::' : ''}/${ipv6PrefixBits}`;
}

/** The eight numbers of a valid IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('::');
  const first = numbersOf(head);
  if (tail === undefined) return first;
  const last = numbersOf(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

function numbersOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number); // a dotted quad stands for two
    return [a * 256 + b, c * 256 + d];
  });
}

/** The IPv4 address that an IPv6 address stands for. */
function mapped(groups: readonly number[]): string | undefined {
  if (groups[5] !== 0xffff || groups.slice(0, 5).some((group) => group !== 0)) return undefined;
  const [high = 0, low = 0] = groups.slice(6);
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}
