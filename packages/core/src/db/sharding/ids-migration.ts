/** The table's name as it stands in statements. */
export const idsTable = 'pando_ids';

/**
 * The SQL that creates the table in which `db.newId` counts, for your own migrations, on every shard. It may run again.
 *
 * The package holds the same as `migrations/ids.sql`. Where the role of the app may create tables, none of it is needed.
 */
export function idsMigration(): string {
  return `-- One row: how far the ids of this shard have come, as (ms since 2020-01-01T00:00Z) << 9 | number within the ms.
create table if not exists ${idsTable} (
  id smallint primary key default 0 check (id = 0),
  last bigint not null
);
insert into ${idsTable} (last) values (0) on conflict do nothing;
`;
}
