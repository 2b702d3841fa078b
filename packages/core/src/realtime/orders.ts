import type { Clock } from '../kernel/clock.js';
import { PandoOptionsError } from '../kernel/errors.js';
import { closeCodes } from './close-codes.js';
import type { Connections } from './connections.js';

/**
 * The channel on which instances order one another about. Applications cannot name it, and its log heals what an
 * announcement has lost, as every channel's does.
 */
export const ordersChannel = '#orders';

/** What every instance is to do with the connections of one user. */
export type Order =
  | { readonly kind: 'disconnect'; readonly user: string; readonly reason: string }
  | { readonly kind: 'revoke'; readonly user: string; readonly channels: readonly string[] };

/** Longer than any application thinks about one client. */
const MEMORY_MS = 60_000;

/** An order, and when this instance heard it. */
interface Heard {
  readonly order: Order;
  readonly at: number;
}

/** Carries out orders on the connections of this instance, and remembers them for those that are about to open. */
export class Orders {
  readonly #clock: Clock;
  readonly #connections: Connections;
  /** By user, the one whose last order is the oldest first. */
  readonly #lately = new Map<string, readonly Heard[]>();

  constructor(clock: Clock, connections: Connections) {
    this.#clock = clock;
    this.#connections = connections;
  }

  carryOut(order: Order): void {
    this.#remember(order);
    for (const connection of this.#connections.of(order.user)) {
      if (order.kind === 'disconnect') connection.disconnect(order.reason);
      else connection.revoke(order.channels);
    }
  }

  /**
   * What was ordered of a user since an instant. Whoever asks the application about a client, and is answered after an
   * order, may have an answer from before it.
   */
  since(user: string | undefined, askedAt: number | undefined): readonly Order[] {
    if (user === undefined || askedAt === undefined) return [];
    return (this.#lately.get(user) ?? []).filter(({ at }) => at >= askedAt).map(({ order }) => order);
  }

  #remember(order: Order): void {
    const at = this.#clock.monotonic();
    const isRecent = (heard: Heard): boolean => at - heard.at < MEMORY_MS;
    for (const [user, heard] of this.#lately) {
      const last = heard.at(-1);
      if (last !== undefined && isRecent(last)) break;
      this.#lately.delete(user);
    }
    const before = this.#lately.get(order.user) ?? [];
    this.#lately.delete(order.user);
    this.#lately.set(order.user, [...before.filter(isRecent), { order, at }]);
  }
}

/** Reads what arrived; undefined for what only a newer release knows. Never throws. */
export function readOrder(data: unknown): Order | undefined {
  const { kind, user, reason, channels } = (data ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof user !== 'string') return undefined;
  if (kind === 'disconnect' && typeof reason === 'string') return { kind, user, reason };
  const areNames = Array.isArray(channels) && channels.every((channel) => typeof channel === 'string');
  return kind === 'revoke' && areNames ? { kind, user, channels: channels as string[] } : undefined;
}

/** What fits into a closing frame. */
const MAX_REASON_BYTES = 120;

/** Throws for what names no user: an order for nobody would seem to have been carried out. */
export function checkedUser(user: unknown): string {
  if (typeof user === 'string' && user !== '') return user;
  throw refused('A user id is a non-empty string, as realtime.userOf names it.');
}

/** The same, with what its sockets are told. */
export function checkedDisconnect(user: unknown, reason: unknown = closeCodes.forbidden.reason) {
  if (typeof reason !== 'string' || Buffer.byteLength(reason) > MAX_REASON_BYTES)
    throw refused(`The reason of a disconnect is text of at most ${MAX_REASON_BYTES} bytes.`);
  return { user: checkedUser(user), reason };
}

function refused(message: string): PandoOptionsError {
  return new PandoOptionsError({ code: 'PANDO_REALTIME_OPTIONS', message });
}
