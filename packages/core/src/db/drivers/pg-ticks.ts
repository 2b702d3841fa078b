import type { Connection, TickTable } from '../ports.js';
import { IdsUnavailableError } from '../sharding/errors.js';
import { idEpochMs } from '../sharding/ids.js';
import { idsMigration, idsTable } from '../sharding/ids-migration.js';
import { sqlStateOf } from '../sql-state.js';

/**
 * Never behind the clock, and never the same twice: the row's lock has the last word, whatever the clock does. The commit is
 * not waited for: a crash can lose it only together with the rows that were written with these ids.
 */
const takeText = `with quick as (select set_config('synchronous_commit', 'off', true))
  update ${idsTable} set last = greatest(last + 1, ((extract(epoch from clock_timestamp()) * 1000)::bigint - ${idEpochMs}) << 9) + $1 - 1
  from quick returning (last - $1 + 1)::text as first`;
const lockText = `select pg_advisory_xact_lock(hashtext('pando_ids'))`;
const noSuchTable = '42P01';

/** The counter of ids as a table of Postgres. */
export class PgTicks implements TickTable {
  readonly #server: string;

  constructor(server: string) {
    this.#server = server;
  }

  async take(connection: Connection, count: number): Promise<bigint> {
    try {
      const first = await this.#take(connection, count).catch(async (error) => {
        if (sqlStateOf(error) !== noSuchTable) throw error;
        await this.#create(connection);
        return this.#take(connection, count);
      });
      if (first === undefined) throw new IdsUnavailableError(this.#server, new Error('it has no row'));
      return BigInt(first);
    } catch (error) {
      const isOfTheTable = ['42501', '42703', noSuchTable].includes(sqlStateOf(error) ?? '');
      throw isOfTheTable ? new IdsUnavailableError(this.#server, error) : error;
    }
  }

  async #take(connection: Connection, count: number): Promise<string | undefined> {
    const { rows } = await connection.query<{ first: string }>({ text: takeText, params: [count] });
    return rows[0]?.first;
  }

  /** Once in the life of a shard; instances do it one after the other, since two at once fail. */
  async #create(connection: Connection): Promise<void> {
    await connection.begin({});
    try {
      await connection.query({ text: lockText, params: [] });
      for (const text of idsMigration()
        .split(';\n')
        .filter((part) => part.trim() !== ''))
        await connection.query({ text, params: [] });
      await connection.commit();
    } catch (error) {
      await connection.rollback().catch(() => undefined);
      throw error;
    }
  }
}
