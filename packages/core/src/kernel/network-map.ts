import { isIP } from 'node:net';
import { type AddressPrefix, parsePrefix } from './address-prefix.js';

/**
 * Reads what settings call an address or a network such as `10.0.0.0/8`; undefined for what is neither, false for what was meant to
 * be. The zone of a link-local address is not taken: clients are compared without it, so it would promise what does not hold.
 */
export function readNetwork(text: string): AddressPrefix | false | undefined {
  const [address = ''] = text.split('/');
  if (isIP(address) === 0) return /^[\d.]+\/\d+$/.test(text) ? false : undefined;
  return address.includes('%') ? false : (parsePrefix(text) ?? false);
}

/** The bits of a network: of IPv4 a plain number, for those are found much faster. */
type Bits = number | bigint;

/** Values by network: one look for each length that there is, however many there are. */
export class NetworkMap<Value> {
  readonly #families: Readonly<Record<4 | 6, Map<number, Map<Bits, Value>>>> = {
    4: new Map(),
    6: new Map(),
  };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(network: AddressPrefix): Value | undefined {
    return this.#families[network.family].get(network.length)?.get(bitsOf(network));
  }

  set(network: AddressPrefix, value: Value): void {
    const { family, length } = network;
    const bits = bitsOf(network);
    let values = this.#families[family].get(length);
    if (values === undefined) {
      values = new Map();
      this.#families[family].set(length, values);
    }
    if (!values.has(bits)) this.#size++;
    values.set(bits, value);
  }

  delete(network: AddressPrefix): void {
    const { family, length } = network;
    const values = this.#families[family].get(length);
    if (values?.delete(bitsOf(network)) !== true) return;
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
    const bits = bitsOf(inner);
    for (const [length, values] of this.#families[inner.family]) {
      if (length > inner.length) continue;
      const value = values.get(firstBits(bits, length, inner.length - length));
      if (value !== undefined && takes(value)) return value;
    }
    return undefined;
  }
}

function bitsOf({ family, bits }: AddressPrefix): Bits {
  return family === 4 ? Number(bits) : bits;
}

/** The first bits, so many, without those behind them. */
function firstBits(bits: Bits, length: number, behind: number): Bits {
  if (typeof bits === 'bigint') return bits >> BigInt(behind);
  return length === 0 ? 0 : bits >>> behind; // of 32 places, a shift of numbers makes none
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
