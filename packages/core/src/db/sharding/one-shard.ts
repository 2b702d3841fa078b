import type { RequestContext } from '../../kernel/context.js';
import { CrossShardError } from './errors.js';

/** Throws where a transaction is open on another shard: its callback would take what it does here for a part of it. */
export function assertOneShard({ transactionOn }: RequestContext, shard: string): void {
  if (transactionOn !== undefined && transactionOn !== shard) throw new CrossShardError(transactionOn, shard);
}
