import { parsePrefix } from '../kernel/address-prefix.js';
import { NetworkMap } from '../kernel/network-map.js';

/** A ban, as an instance knows it. */
export interface KnownBan {
  /** A key, or an address or network in its one form. */
  readonly subject: string;
  readonly reason: string | undefined;
  /** Epoch milliseconds, by the store's clock. */
  readonly bannedAt: number;
  /** Epoch milliseconds, by this instance's clock; no end is until further notice. */
  readonly endsAt: number | undefined;
  /** Monotonic instant at which it ends here. */
  readonly until: number;
}

/**
 * Who is banned: found among 100,000 as fast as among ten.
 *
 * A key costs one look; an address one for each length that networks were banned by, which are few.
 */
export class BanIndex {
  readonly #keys = new Map<string, KnownBan>();
  readonly #networks = new NetworkMap<KnownBan>();

  get size(): number {
    return this.#keys.size + this.#networks.size;
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
    if (this.#networks.size === 0) return undefined;
    const client = parsePrefix(address ?? (key.startsWith('ip:') ? key.slice(3) : key));
    return client && this.#networks.find(client, ({ until }) => until > now);
  }

  /** The ban of exactly this subject, also one that has ended. */
  get(subject: string): KnownBan | undefined {
    const network = parsePrefix(subject);
    return network === undefined ? this.#keys.get(subject) : this.#networks.get(network);
  }

  set(ban: KnownBan): void {
    const network = parsePrefix(ban.subject);
    if (network === undefined) this.#keys.set(ban.subject, ban);
    else this.#networks.set(network, ban);
  }

  delete(subject: string): void {
    const network = parsePrefix(subject);
    if (network === undefined) this.#keys.delete(subject);
    else this.#networks.delete(network);
  }

  clear(): void {
    this.#keys.clear();
    this.#networks.clear();
  }

  *values(): Generator<KnownBan> {
    yield* this.#keys.values();
    yield* this.#networks.values();
  }
}
