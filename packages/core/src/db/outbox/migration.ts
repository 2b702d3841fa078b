/** Where the outbox is. */
export interface OutboxPlace {
  /** Schema of the table, which must exist. @defaultValue the first of `search_path` */
  readonly schema?: string | undefined;
}

/** The table's name as it stands in statements. */
export function outboxTable({ schema }: OutboxPlace = {}): string {
  return schema === undefined ? 'pando_outbox' : `"${schema.replaceAll('"', '""')}".pando_outbox`;
}

/**
 * The SQL that creates the table of the outbox, for your own migrations. It may run again.
 *
 * The package holds the same as `migrations/outbox.sql`. Where the role of the app may create tables, none of it is needed.
 */
export function outboxMigration(place: OutboxPlace = {}): string {
  return `-- Holds what committed transactions want done until it was done; normally empty.
create table if not exists ${outboxTable(place)} (
  kit text not null,
  id uuid not null,
  -- json, not jsonb: payloads come back exactly as they were given
  effects json not null,
  -- after a week its events are not published any more
  created_at timestamptz not null default now(),
  primary key (kit, id)
);
`;
}
