import { type AddressPrefix, parsePrefix, shorten } from '../kernel/address-prefix.js';

/** A ban, as an instance knows it. */
export interface KnownBan {
  /** A key, or an address or network in its one form. */
  readonly subject: string;
  readonly reason: string | undefined;
  /** When it began and when it ends, in epoch milliseconds of the store; no end is until further notice. */
  readonly bannedAt: number;
  readonly endsAt: number | undefined;
  /** Monotonic instant at which it ends here. */
  readonly until: number;
}

/** The bans of one family of addresses, by how many bits they are about, and by those. */
type Networks = Map<number, Map<bigint, KnownBan>>;

/**
 * Who is banned: found among 100,000 as fast as among ten.
 *
 * A key costs one look; an address one for each length that networks were banned by, which are few.
 */
export class BanIndex {
  readonly #keys = new Map<string, KnownBan>();
  readonly #networks: Readonly<Record<4 | 6, Networks>> = { 4: new Map(), 6: new Map() };
  #networkCount = 0;

  get size(): number {
    return this.#keys.size + this.#networkCount;
  }

  /**
   * The ban that meets a key, or the client's address where that is known beside it.
   *
   * The door counts keys as `key:…` and addresses as `ip:…`, so that neither passes for the other; bans name them plainly.
   */
  find(key: string, address: string | undefined, now: number): KnownBan | undefined {
    if (this.size === 0) return undefined;
    const ban = this.#keys.get(key) ?? (key.startsWith('key:') ? this.#keys.get(key.slice(4)) : undefined);
    if (ban !== undefined && ban.until > now) return ban;
    if (this.#networkCount === 0) return undefined;
    const client = parsePrefix(address ?? (key.startsWith('ip:') ? key.slice(3) : key));
    return client && this.#around(client, now);
  }

  set(ban: KnownBan): void {
    const network = parsePrefix(ban.subject);
    if (network === undefined) {
      this.#keys.set(ban.subject, ban);
      return;
    }
    const { family, bits, length } = network;
    let bans = this.#networks[family].get(length);
    if (bans === undefined) {
      bans = new Map();
      this.#networks[family].set(length, bans);
    }
    if (!bans.has(bits)) this.#networkCount++;
    bans.set(bits, ban);
  }

  delete(subject: string): void {
    const network = parsePrefix(subject);
    if (network === undefined) {
      this.#keys.delete(subject);
      return;
    }
    const bans = this.#networks[network.family].get(network.length);
    if (bans?.delete(network.bits) !== true) return;
    this.#networkCount--;
    if (bans.size === 0) this.#networks[network.family].delete(network.length);
  }

  clear(): void {
    this.#keys.clear();
    for (const networks of Object.values(this.#networks)) networks.clear();
    this.#networkCount = 0;
  }

  *values(): Generator<KnownBan> {
    yield* this.#keys.values();
    for (const networks of Object.values(this.#networks))
      for (const bans of networks.values()) yield* bans.values();
  }

  #around(client: AddressPrefix, now: number): KnownBan | undefined {
    for (const [length, bans] of this.#networks[client.family]) {
      if (length > client.length) continue;
      const ban = bans.get(shorten(client, length).bits);
      if (ban !== undefined && ban.until > now) return ban;
    }
    return undefined;
  }
}
