import { BlockList, isIP } from 'node:net';

/** Who is never counted: keys, addresses and networks. */
export class AllowList {
  readonly #keys = new Set<string>();
  readonly #networks = new BlockList();
  readonly #hasNetworks: boolean;

  /** Each entry is an address, a network such as `10.0.0.0/8`, or else a key. */
  constructor(entries: readonly string[]) {
    let networks = 0;
    for (const entry of entries) {
      const network = networkOf(entry);
      if (network) {
        this.#networks.addSubnet(network.address, network.prefix, network.family);
        networks++;
      } else {
        this.#keys.add(entry);
      }
    }
    this.#hasNetworks = networks > 0;
  }

  /** Whether the key stands on the list, or the client's address, which may be the key itself. */
  has(key: string, address: string | undefined): boolean {
    if (this.#keys.has(key)) return true;
    if (!this.#hasNetworks) return false;
    const text = address ?? (key.startsWith('ip:') ? key.slice(3) : key);
    const bare = text.replace(/%.*$/, ''); // the zone of link-local addresses
    const version = isIP(bare);
    return version !== 0 && this.#networks.check(bare, familyOf(version)); // mapped addresses are IPv4, too
  }
}

/** The part of the address space that an entry names; undefined for a key, false where it was meant to and does not. */
export function networkOf(
  entry: string,
):
  | { readonly address: string; readonly prefix: number; readonly family: 'ipv4' | 'ipv6' }
  | false
  | undefined {
  const [address = '', length, ...more] = entry.split('/');
  const version = isIP(address);
  if (version === 0) return /^[\d.]+\/\d+$/.test(entry) ? false : undefined;
  const longest = version === 4 ? 32 : 128;
  const prefix = length === undefined ? longest : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  const isNetwork = more.length === 0 && prefix <= longest && !address.includes('%');
  return isNetwork && { address, prefix, family: familyOf(version) };
}

const familyOf = (version: number): 'ipv4' | 'ipv6' => (version === 4 ? 'ipv4' : 'ipv6');
