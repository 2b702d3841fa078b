import type { IncomingMessage } from 'node:http';
import type { AddressPrefix } from '../kernel/address-prefix.js';
import type { Logger } from '../kernel/logger.js';
import { NetworkList, readNetwork } from '../kernel/network-map.js';
import type { OptionsReader } from '../kernel/options.js';
import { addressKey, plainAddress } from './client-address.js';
import { type ForwardingHeader, forwardedAddresses } from './forwarded.js';

/** Whose word counts for who a client is. */
export interface ClientsOptions {
  /**
   * The proxies in front: how many there are, each of which adds the address that it sees to the header; or the networks
   * they are in, such as `10.0.0.0/8`, `fd00::/8`, `192.0.2.7`, `loopback`, `linklocal` or `uniquelocal`. Prefer networks: a number also
   * believes who comes past the proxies. 0, or no network, believes nobody.
   */
  readonly proxies: number | readonly string[];
  /** Where they write it. The other one is not looked at: clients may write what they like there. @defaultValue `'x-forwarded-for'` */
  readonly header?: ForwardingHeader | undefined;
  /** How much of an IPv6 address is one client to limits: a home has a /64, many have a /56 or a /48. @defaultValue `64` */
  readonly ipv6PrefixBits?: number | undefined;
}

/** The defaults. */
export const clientsDefaults = Object.freeze({
  header: 'x-forwarded-for' as ForwardingHeader,
  ipv6PrefixBits: 64,
});

/** Options that were checked. */
export interface ResolvedClients {
  /** Whether an address is that of a proxy, so many hops away. */
  readonly trusts: (address: string, hops: number) => boolean;
  /** Whether there are any. */
  readonly hasProxies: boolean;
  readonly header: ForwardingHeader;
  readonly ipv6PrefixBits: number;
}

/** Names that Express and Fastify know, too. */
const named: Readonly<Record<string, readonly string[]>> = Object.freeze({
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
});

/** Checks `clients`; throws `PandoOptionsError`. */
export function readClients(http: OptionsReader): ResolvedClients | undefined {
  if (http.any('clients') === undefined) return undefined;
  const reader = http.nested('clients');
  const resolved = {
    ...readProxies(reader),
    header: reader.oneOf('header', ['x-forwarded-for', 'forwarded'], clientsDefaults.header),
    ipv6PrefixBits: reader.int('ipv6PrefixBits', clientsDefaults.ipv6PrefixBits, { min: 16, max: 128 }),
  };
  reader.done();
  return resolved;
}

function readProxies(reader: OptionsReader): Pick<ResolvedClients, 'trusts' | 'hasProxies'> {
  const proxies = reader.any('proxies');
  if (typeof proxies === 'number' && Number.isSafeInteger(proxies) && proxies >= 0 && proxies <= 32)
    return { trusts: (_address, hops) => hops < proxies, hasProxies: proxies > 0 };
  if (!Array.isArray(proxies)) reader.fail('proxies', 'a number of proxies up to 32, or a list of networks');
  const networks: AddressPrefix[] = [];
  for (const text of proxies.flatMap(
    (entry) => (Object.hasOwn(named, entry) ? named[entry] : undefined) ?? [entry],
  )) {
    const network = readNetwork(String(text));
    if (!network)
      reader.fail(
        'proxies',
        `a list of networks such as "10.0.0.0/8", or of addresses: ${JSON.stringify(text)} is neither`,
      );
    networks.push(network);
  }
  const list = new NetworkList(networks);
  return { trusts: (address) => list.has(address), hasProxies: networks.length > 0 };
}

/** Who a client is. */
export interface Client {
  /** Its address. */
  readonly ip: string;
  /** What limits count it under. */
  readonly key: string;
}

/** Says who a client is, the same way whatever framework serves it. */
export class ClientAddresses {
  readonly #clients: ResolvedClients | undefined;
  readonly #logger: Logger;
  #hasWarned = false;

  constructor(clients: ResolvedClients | undefined, logger: Logger) {
    this.#clients = clients;
    this.#logger = logger;
  }

  /** The client's address. `told` is what the framework makes of its own proxy settings, which counts where there are no options. */
  of({ headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>, told?: string): string {
    const peer = socket.remoteAddress ?? '';
    if (this.#clients === undefined) {
      const address = told ?? peer;
      const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
      if (isForwarded && address === peer) this.#warn(unheard);
      return address;
    }
    const { header, hasProxies, trusts } = this.#clients;
    const text = headers[header];
    const near = plainAddress(peer) ?? peer;
    if (text === undefined || !hasProxies) return near;
    if (!trusts(near, 0)) {
      this.#warn(`${unexpected} from ${near}, which is not among http.clients.proxies. ${remedy}`);
      return near;
    }
    let address = near;
    let hops = 0;
    for (const before of forwardedAddresses(header, String(text))) {
      if (before === undefined) return near; // whoever sends what is no address is nobody but the proxy's client
      address = before;
      if (!trusts(address, ++hops)) break;
    }
    return address;
  }

  /** What limits count an address under. */
  keyOf(address: string): string {
    return addressKey(address, this.#clients?.ipv6PrefixBits);
  }

  /** Once: whoever can send one such header can send a million. */
  #warn(message: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#logger.warn({}, message);
  }
}

const unexpected = 'A request says who it was forwarded for, and came';
const remedy = 'It is not believed. If that is a proxy of yours, name its network there.';
const unheard =
  'A request says who it was forwarded for, and no proxy is trusted: if there is one in front, all its clients count as one. Say whom to believe with http.clients, or with http.clients.proxies: [] that nobody is.';
