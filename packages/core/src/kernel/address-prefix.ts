import { isIP } from 'node:net';

/** All addresses that begin alike; with its whole length, one address. */
export interface AddressPrefix {
  readonly family: 4 | 6;
  /** The bits that they have in common, as a number. */
  readonly bits: bigint;
  /** How many those are. */
  readonly length: number;
}

/** How long addresses are. */
const lengths = { 4: 32, 6: 128 } as const;
/** Longer than any address with a prefix and the name of an interface. */
const longestText = 80;
/** IPv4 addresses in IPv6 form share these 96 bits. */
const mappedPrefix = 0xffffn;

/** Reads `203.0.113.7`, `203.0.113.0/24`, `2001:db8::/48`; undefined for what is neither address nor network. */
export function parsePrefix(text: string): AddressPrefix | undefined {
  if (text.length > longestText) return undefined;
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined || slash < 0) return address;
  const prefix = text.slice(slash + 1);
  const cut = text.includes(':') ? 128 - address.length : 0; // the prefix of a mapped address counts its 96 bits, too
  const length = /^\d{1,3}$/.test(prefix) ? Number(prefix) - cut : -1;
  return length < 0 || length > address.length ? undefined : shorten(address, length);
}

/** The larger network that begins with fewer bits; itself when it is no longer than that. */
export function shorten(network: AddressPrefix, length: number): AddressPrefix {
  const { family, bits } = network;
  return length >= network.length
    ? network
    : { family, bits: bits >> BigInt(network.length - length), length };
}

/** The one form of a network that {@link parsePrefix} reads: two texts that mean the same become equal. */
export function prefixText({ family, bits, length }: AddressPrefix): string {
  const all = bits << BigInt(lengths[family] - length);
  const [size, base, sign] = family === 4 ? ([8, 10, '.'] as const) : ([16, 16, ':'] as const);
  const parts: string[] = [];
  for (let shift = lengths[family] - size; shift >= 0; shift -= size)
    parts.push(((all >> BigInt(shift)) & ((1n << BigInt(size)) - 1n)).toString(base));
  const address = family === 4 ? parts.join(sign) : parts.join(sign).replace(/(:0)+$/, '::');
  return length === lengths[family] ? address : `${address}/${length}`;
}

function parseAddress(text: string): AddressPrefix | undefined {
  const family = isIP(text);
  if (family === 4) return { family: 4, bits: fromQuad(text), length: 32 };
  if (family !== 6) return undefined;
  const [address = ''] = text.split('%'); // the zone of link-local addresses
  const [head = '', tail] = address.split('::');
  const [before, after] = [fromGroups(head), fromGroups(tail ?? '')];
  const bits = tail === undefined ? before.bits : (before.bits << (128n - before.length)) | after.bits;
  return bits >> 32n === mappedPrefix
    ? { family: 4, bits: bits & 0xffff_ffffn, length: 32 }
    : { family: 6, bits, length: 128 };
}

function fromQuad(text: string): bigint {
  const [a, b, c, d] = text.split('.').map(Number) as [number, number, number, number];
  return BigInt(((a * 256 + b) * 256 + c) * 256 + d);
}

function fromGroups(text: string): { readonly bits: bigint; readonly length: bigint } {
  let [bits, length] = [0n, 0n];
  for (const group of text === '' ? [] : text.split(':')) {
    const isQuad = group.includes('.');
    const size = isQuad ? 32n : 16n;
    bits = (bits << size) | (isQuad ? fromQuad(group) : BigInt(`0x${group}`));
    length += size;
  }
  return { bits, length };
}
