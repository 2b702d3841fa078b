import { effectsLifeMs } from '../../kernel/effects.js';
import { OutboxUnavailableError } from '../errors.js';
import type { ResolvedOutboxOptions } from '../options.js';
import { outboxMigration, outboxTable } from '../outbox/migration.js';
import type { Connection, OutboxTable, Statement } from '../ports.js';
import { sqlStateOf } from '../sql-state.js';

/** Instances that start together make the table one after the other: two at once fail, `if not exists` or not. */
const lockText = `select pg_advisory_xact_lock(hashtext('pando_outbox'))`;
const usableText = `select has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
    and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete') as usable
  from to_regclass($1) as oid where oid is not null`;

/** The outbox as a table of Postgres. */
export class PgOutbox implements OutboxTable {
  readonly name: string;
  readonly #server: string;
  readonly #kit: string;
  readonly #options: ResolvedOutboxOptions;

  constructor(server: string, kit: string, options: ResolvedOutboxOptions) {
    this.name = outboxTable(options);
    this.#server = server;
    this.#kit = kit;
    this.#options = options;
  }

  async prepare(connection: Connection): Promise<void> {
    let isUsable = await this.#isUsable(connection);
    if (isUsable === undefined && this.#options.migrate) {
      await this.#create(connection);
      isUsable = await this.#isUsable(connection);
    }
    if (isUsable === true) return;
    const user = isUsable === undefined ? 'it does not exist' : 'the role may not read and write it';
    throw new OutboxUnavailableError(this.#server, this.name, new Error(user));
  }

  insert(id: string, effects: string): Statement {
    return {
      text: `insert into ${this.name} (kit, id, effects) values ($1, $2, $3)`,
      params: [this.#kit, id, effects],
    };
  }

  list(limit: number): Statement {
    return {
      text: `select id from ${this.name} where kit = $1 order by created_at limit $2`,
      params: [this.#kit, limit],
    };
  }

  find(ids: readonly string[]): Statement {
    return {
      text: `select id from ${this.name} where kit = $1 and id = any($2::uuid[])`,
      params: [this.#kit, ids],
    };
  }

  lock(id: string): Statement {
    return {
      text: `select effects::text, created_at < now() - ${effectsLifeMs} * interval '1 ms' as "isOld"
        from ${this.name} where kit = $1 and id = $2 for update skip locked`,
      params: [this.#kit, id],
    };
  }

  update(id: string, effects: string): Statement {
    return {
      text: `update ${this.name} set effects = $3 where kit = $1 and id = $2`,
      params: [this.#kit, id, effects],
    };
  }

  remove(ids: readonly string[]): Statement {
    return {
      text: `delete from ${this.name} where kit = $1 and id = any($2::uuid[])`,
      params: [this.#kit, ids],
    };
  }

  /** Undefined where there is no such table. */
  async #isUsable(connection: Connection): Promise<boolean | undefined> {
    const { rows } = await connection.query<{ usable: boolean }>({ text: usableText, params: [this.name] });
    return rows[0]?.usable;
  }

  async #create(connection: Connection): Promise<void> {
    await connection.begin({});
    try {
      await connection.query({ text: lockText, params: [] });
      await connection.query({ text: outboxMigration(this.#options), params: [] });
      await connection.commit();
    } catch (error) {
      await connection.rollback().catch(() => undefined);
      if (sqlStateOf(error) === undefined) throw error;
      throw new OutboxUnavailableError(this.#server, this.name, error);
    }
  }
}
