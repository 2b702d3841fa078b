import { isStrongToken, type Token } from '../kernel/token.js';
import type { ReadLevel } from './api.js';
import { type History, type Position, serves } from './position.js';

/** Why a read goes to the primary: asked for, inside a transaction, a token that nobody else can judge, or no replica that serves it. */
export type PrimaryReason = 'strong' | 'transaction' | 'foreign' | 'single' | 'behind' | 'out';

/** What a read needs. */
export type Need =
  | { readonly from: 'primary'; readonly reason: PrimaryReason }
  /** Any server that has come as far as the floor, if there is one. */
  | { readonly from: 'any'; readonly floor: Position | undefined };

/** What the router looks at in a replica. */
export interface Candidate {
  readonly isInRotation: boolean;
  /** How far it is known to have come; undefined: not known now. */
  readonly position: Position | undefined;
  /** Whether somebody has waited for it in vain and it has not moved since. */
  readonly isStalled: boolean;
  /** Whether it is near, and can take more: it is chosen before those that are not. */
  readonly isPreferred: boolean;
  /** The lower, the sooner it is chosen of those that are equally near. */
  readonly load: number;
}

/** Where a read goes. */
export type Destination<R> =
  | { readonly to: 'replica'; readonly replica: R }
  /** No replica is known to serve it; these may soon. */
  | { readonly to: 'wait'; readonly replicas: readonly R[] }
  | { readonly to: 'primary'; readonly reason: PrimaryReason };

/** Who asks. */
export interface Reader {
  readonly level: ReadLevel;
  readonly token: Token;
  readonly inTransaction: boolean;
}

const anything: Need = Object.freeze({ from: 'any', floor: undefined });
const primary = (reason: PrimaryReason): Need => ({ from: 'primary', reason });

/** Derives from a reader what the read needs on this shard. */
export function needOf(
  { level, token, inTransaction }: Reader,
  shard: string,
  history: History | undefined,
): Need {
  if (inTransaction) return primary('transaction');
  if (level === 'strong') return primary('strong');
  if (level === 'eventual') return anything;
  if (isStrongToken(token)) return primary('foreign');
  let need = anything;
  for (const position of token.db) {
    if (position.shard !== shard) continue;
    // Positions of another system compare with nothing here; a newer timeline is one that only a promoted server knows.
    if (position.system !== history?.system || position.timeline > history.timeline)
      return primary('foreign');
    need = { from: 'any', floor: position };
  }
  return need;
}

/**
 * Chooses where a read goes that any server may serve.
 *
 * `turn` breaks ties: a number that grows from read to read.
 */
export function route<R extends Candidate>(
  floor: Position | undefined,
  history: History | undefined,
  replicas: readonly R[],
  turn: number,
): Destination<R> {
  let serving: R | undefined;
  for (let i = 0; i < replicas.length; i++) {
    const replica = replicas[(turn + i) % replicas.length] as R;
    if (!replica.isInRotation || !serves(replica.position, floor, history)) continue;
    if (serving === undefined || isBetter(replica, serving)) serving = replica;
  }
  if (serving !== undefined) return { to: 'replica', replica: serving };
  if (replicas.length === 0) return { to: 'primary', reason: 'single' };
  const inRotation = replicas.filter((replica) => replica.isInRotation);
  const hopeful = inRotation.filter((replica) => isWorthAWait(replica, history));
  if (hopeful.length > 0) return { to: 'wait', replicas: hopeful };
  return { to: 'primary', reason: inRotation.length > 0 ? 'behind' : 'out' };
}

function isBetter(one: Candidate, other: Candidate): boolean {
  const { isPreferred } = one;
  return isPreferred === other.isPreferred ? one.load < other.load : isPreferred;
}

/** On the cluster's history, or not known where, and moving. */
function isWorthAWait({ position, isStalled }: Candidate, history: History | undefined): boolean {
  return !isStalled && (position === undefined || serves(position, undefined, history));
}
