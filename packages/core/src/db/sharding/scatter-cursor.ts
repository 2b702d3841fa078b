import { createHash } from 'node:crypto';
import { InvalidPageError } from '../errors.js';

/*
 * cursor = "s1." order "." base64url(JSON({ last, missed }))
 *
 * `order` is a digest of what the values mean. The position holds for all shards, since the order is one over all of them, and
 * stays right when rows move; only shards that had not answered go on from where they stood.
 */
const version = 's1';
/** Longer ones are refused unread. */
const maxChars = 8_192;

/** The values of the columns to order by in one row, exact as text. */
export type Key = readonly string[];

/** How far the pages so far have come. */
export interface Position {
  /** The last row; null: none yet. */
  readonly last: Key | null;
  /** Where shards stand that did not answer. */
  readonly missed: Readonly<Record<string, Key | null>>;
}

/** Writes and reads the cursors of one order. */
export class ScatterCursors {
  readonly #prefix: string;
  readonly #columns: number;

  constructor(order: readonly object[]) {
    const digest = createHash('sha256').update(JSON.stringify(order)).digest('base64url').slice(0, 16);
    this.#prefix = `${version}.${digest}.`;
    this.#columns = order.length;
  }

  write(position: Position): string {
    return this.#prefix + Buffer.from(JSON.stringify(position)).toString('base64url');
  }

  /** Its values become parameters of statements: a forged one asks for another page, no more. */
  read(text: string): Position {
    const position = this.#parse(text);
    if (position === undefined)
      throw new InvalidPageError('The cursor is not one that db.scatter has returned for this order.');
    return position;
  }

  #parse(text: unknown): Position | undefined {
    if (typeof text !== 'string' || text.length > maxChars || !text.startsWith(this.#prefix))
      return undefined;
    try {
      const json = Buffer.from(text.slice(this.#prefix.length), 'base64url').toString();
      const { last, missed } = JSON.parse(json) as Position;
      const isSound = [last, ...Object.values(missed)].every((key) => this.#isKey(key));
      return isSound ? { last, missed } : undefined;
    } catch {
      return undefined;
    }
  }

  #isKey(key: unknown): boolean {
    if (key === null) return true;
    return (
      Array.isArray(key) && key.length === this.#columns && key.every((value) => typeof value === 'string')
    );
  }
}

/** Where a shard goes on. */
export function positionOf(shard: string, position: Position | undefined): Key | undefined {
  if (position === undefined) return undefined;
  const own = Object.hasOwn(position.missed, shard) ? position.missed[shard] : position.last;
  return own ?? undefined;
}
