import { BlockList, isIP } from 'node:net';

/** A part of the address space: all addresses that begin with the same bits. */
export interface Network {
  readonly address: string;
  readonly prefixBits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/**
 * Reads an address, or a network such as `10.0.0.0/8`; undefined for what is neither, false for what was meant to be. IPv4 in its
 * IPv6 form is not taken: write it as IPv4, which covers both.
 */
export function networkOf(text: string): Network | false | undefined {
  const [address = '', length, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0) return /^[\d.]+\/\d+$/.test(text) ? false : undefined;
  const longest = version === 4 ? 32 : 128;
  const prefixBits = length === undefined ? longest : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  const isNetwork = more.length === 0 && prefixBits <= longest && !/%|^[0:]*:ffff:/i.test(address);
  return isNetwork && { address, prefixBits, family: familyOf(version) };
}

/** Networks that never change. */
export class NetworkList {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  constructor(networks: readonly Network[]) {
    for (const { address, prefixBits, family } of networks) this.#list.addSubnet(address, prefixBits, family);
    this.#isEmpty = networks.length === 0;
  }

  /** Whether an address is in one of them, however it is written; false for what is no address. */
  has(text: string): boolean {
    if (this.#isEmpty) return false;
    const address = text.replace(/%.*$/, ''); // the zone of link-local addresses
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, familyOf(version)); // mapped addresses are IPv4, too
  }
}

const familyOf = (version: number): 'ipv4' | 'ipv6' => (version === 4 ? 'ipv4' : 'ipv6');
