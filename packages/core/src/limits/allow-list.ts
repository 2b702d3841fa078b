import type { AddressPrefix } from '../kernel/address-prefix.js';
import { NetworkList, readNetwork } from '../kernel/network-map.js';

/** Who is never counted: keys, addresses and networks. */
export class AllowList {
  readonly #keys = new Set<string>();
  readonly #networks: NetworkList;

  /** Each entry is an address, a network such as `10.0.0.0/8`, or else a key. */
  constructor(entries: readonly string[]) {
    const networks: AddressPrefix[] = [];
    for (const entry of entries) {
      const network = readNetwork(entry);
      if (network) networks.push(network);
      else this.#keys.add(entry);
    }
    this.#networks = new NetworkList(networks);
  }

  /** Whether the key stands on the list, or the client's address, which may be the key itself. */
  has(key: string, address: string | undefined): boolean {
    if (this.#keys.has(key)) return true;
    return this.#networks.has(address ?? (key.startsWith('ip:') ? key.slice(3) : key));
  }
}
