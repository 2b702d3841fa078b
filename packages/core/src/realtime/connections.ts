import type { Connection } from './connection.js';
import type { EndReason } from './reasons.js';

/** A connection as the room sees it. */
export interface Served extends Connection {
  /** Whose it is, where that can be told. */
  readonly user: string | undefined;
  /** What its client's address is counted under. */
  readonly address: string | undefined;
  /** Asks the client to come back, to another instance, after a delay of its own. */
  leave(why?: EndReason): void;
  /** Its user may not be here any longer. */
  disconnect(reason: string): void;
  /** Its user may not follow these channels any longer, nor see who is there. */
  revoke(channels: readonly string[]): void;
}

/** The open connections of this instance, also by user and by address. */
export class Connections implements Iterable<Served> {
  readonly #all = new Set<Served>();
  /** Most users have one. */
  readonly #users = new Map<string, Served | Set<Served>>();
  readonly #addresses = new Map<string, number>();

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): Iterator<Served> {
    return this.#all.values();
  }

  /** Those of one user. */
  of(user: string): readonly Served[] {
    const held = this.#users.get(user);
    if (held === undefined) return [];
    return held instanceof Set ? [...held] : [held];
  }

  countOf(user: string): number {
    const held = this.#users.get(user);
    if (held === undefined) return 0;
    return held instanceof Set ? held.size : 1;
  }

  countFrom(address: string): number {
    return this.#addresses.get(address) ?? 0;
  }

  add(connection: Served): void {
    const { user, address } = connection;
    this.#all.add(connection);
    if (address !== undefined) this.#addresses.set(address, this.countFrom(address) + 1);
    if (user === undefined) return;
    const held = this.#users.get(user);
    if (held === undefined) this.#users.set(user, connection);
    else if (held instanceof Set) held.add(connection);
    else this.#users.set(user, new Set([held, connection]));
  }

  /** Idempotent. */
  remove(connection: Served): void {
    if (!this.#all.delete(connection)) return;
    const { user, address } = connection;
    if (address !== undefined) {
      const left = this.countFrom(address) - 1;
      if (left === 0) this.#addresses.delete(address);
      else this.#addresses.set(address, left);
    }
    if (user === undefined) return;
    const held = this.#users.get(user);
    if (held instanceof Set) held.delete(connection);
    if (held === connection || this.countOf(user) === 0) this.#users.delete(user);
  }
}
