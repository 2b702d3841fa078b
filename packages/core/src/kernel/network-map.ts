import { isIP } from 'node:net';
import { type AddressPrefix, parsePrefix, shorten } from './address-prefix.js';

/**
 * Reads what settings call an address or a network such as `10.0.0.0/8`; undefined for what is neither, false for what was meant to
 * be. The zone of a link-local address is not taken: clients are compared without it, so it would promise what does not hold.
 */
export function readNetwork(text: string): AddressPrefix | false | undefined {
  const [address = ''] = text.split('/');
  if (isIP(address) === 0) return /^[\d.]+\/\d+$/.test(text) ? false : undefined;
  return address.includes('%') ? false : (parsePrefix(text) ?? false);
}

/** Values by network: one look for each length that there is, however many there are. */
export class NetworkMap<Value> {
  readonly #families: Readonly<Record<4 | 6, Map<number, Map<bigint, Value>>>> = {
    4: new Map(),
    6: new Map(),
  };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get({ family, bits, length }: AddressPrefix): Value | undefined {
    return this.#families[family].get(length)?.get(bits);
  }

  set({ family, bits, length }: AddressPrefix, value: Value): void {
    let values = this.#families[family].get(length);
    if (values === undefined) {
      values = new Map();
      this.#families[family].set(length, values);
    }
    if (!values.has(bits)) this.#size++;
    values.set(bits, value);
  }

  delete({ family, bits, length }: AddressPrefix): void {
    const values = this.#families[family].get(length);
    if (values?.delete(bits) !== true) return;
    this.#size--;
    if (values.size === 0) this.#families[family].delete(length);
  }

  clear(): void {
    for (const family of Object.values(this.#families)) family.clear();
    this.#size = 0;
  }

  *values(): Generator<Value> {
    for (const family of Object.values(this.#families))
      for (const values of family.values()) yield* values.values();
  }

  /** What a network around this one holds, of those that are taken. */
  find(inner: AddressPrefix, takes: (value: Value) => boolean): Value | undefined {
    for (const [length, values] of this.#families[inner.family]) {
      if (length > inner.length) continue;
      const value = values.get(shorten(inner, length).bits);
      if (value !== undefined && takes(value)) return value;
    }
    return undefined;
  }
}

/** Networks that never change. */
export class NetworkList {
  readonly #networks = new NetworkMap<true>();

  constructor(networks: readonly AddressPrefix[]) {
    for (const network of networks) this.#networks.set(network, true);
  }

  /** Whether an address is in one of them, however it is written; false for what is no address. */
  has(text: string): boolean {
    if (this.#networks.size === 0) return false;
    const address = parsePrefix(text);
    return address !== undefined && this.#networks.find(address, any) !== undefined;
  }
}

const any = () => true;
