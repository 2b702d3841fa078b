import { messageOf, PandoError } from '../../kernel/errors.js';

/**
 * A database of several shards was called without saying which one.
 *
 * Call the shard of what the statement is about, `db.shard(key)`, or ask all of them with `db.scatter`.
 */
export class ShardKeyRequiredError extends PandoError {
  constructor(method: string) {
    super({
      code: 'PANDO_DB_SHARD_KEY_REQUIRED',
      message: `db.${method} does not say which shard it is for. Call db.shard(key).${method}, or ask all shards with db.scatter.`,
    });
  }
}

/**
 * What was given as the key of a shard is none: empty, of another kind than the ranges, an id that `db.newId` has not made, or
 * the name of no shard.
 *
 * Ids often come from clients: answer them as you answer ids that do not exist. Otherwise correct the call.
 */
export class InvalidShardKeyError extends PandoError {
  constructor(message: string) {
    super({ code: 'PANDO_DB_INVALID_SHARD_KEY', message, status: 400 });
  }
}

/**
 * A statement inside a transaction is for another shard: the two could not commit together.
 *
 * Keep what changes together under one key, or have the other shard changed after the commit with `tx.effect`.
 */
export class CrossShardError extends PandoError {
  constructor(open: string, asked: string) {
    super({
      code: 'PANDO_DB_CROSS_SHARD',
      message:
        `A transaction is open on shard ${open}, and a statement inside it is for shard ${asked}: they could not commit together. ` +
        'Keep what changes together under one key, or change the other shard after the commit with tx.effect.',
    });
  }
}

/**
 * A row that was to be written belongs to a slot that this shard does not take writes for: it is moving to another shard, or has
 * moved there. Nothing was written; a transaction is rolled back.
 *
 * Repeat the request in a moment: the pause of a move is short. Where it lasts, this instance still has the `db.sharding`
 * from before the move. See docs/explanation/resharding.md.
 */
export class SlotMovedError extends PandoError {
  constructor(server: string, cause: unknown) {
    super({
      code: 'PANDO_DB_SLOT_MOVED',
      message: `${server} refused to write a row: ${messageOf(cause)}. Repeat it in a moment, by an instance with the newest db.sharding.`,
      cause,
      retryable: true,
      status: 503,
    });
  }
}

/**
 * `db.scatter` had no answer of all shards in time.
 *
 * Ask for less (`limit`, an index for the order), raise `db.sharding.scatterTimeoutMs`, or allow partial answers with
 * `onPartial: 'allow'`.
 */
export class ScatterTimeoutError extends PandoError {
  constructor(timeoutMs: number) {
    super({
      code: 'PANDO_DB_SCATTER_TIMEOUT',
      message: `Not all shards have answered within ${timeoutMs} ms. Ask for less, raise db.sharding.scatterTimeoutMs, or set onPartial to "allow".`,
      retryable: true,
      status: 503,
    });
  }
}

/**
 * `db.scatter` cannot put the answers of the shards together: a column that it does not have, a type whose order or sum is not
 * known here, an empty value in a column that a cursor goes by.
 *
 * The message names the column. Cast it in the statement, say `collate: 'C'` for text, or give `compare`.
 */
export class ScatterMergeError extends PandoError {
  constructor(message: string) {
    super({ code: 'PANDO_DB_SCATTER_MERGE', message });
  }
}

/**
 * The table that `db.newId` counts in is missing or may not be used.
 *
 * Run `migrations/ids.sql` of the package on every shard as a role that may create tables, and grant select and update on
 * `pando_ids` to the role of the app.
 */
export class IdsUnavailableError extends PandoError {
  constructor(server: string, cause: unknown) {
    super({
      code: 'PANDO_DB_IDS_UNAVAILABLE',
      message:
        `The table pando_ids on ${server} cannot be used: ${messageOf(cause)}. Run migrations/ids.sql of @pando/core as a role that may ` +
        'create tables, and grant select and update on it to this one.',
      cause,
      status: 500,
    });
  }
}
