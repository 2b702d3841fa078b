/** Server settings by their Postgres names, as in postgresql.conf. */
export type PostgresSettings = Readonly<Record<string, string | number | boolean>>;

/** What every server of a test cluster runs with: quick, small, never seen from other machines. */
export const baseSettings: PostgresSettings = Object.freeze({
  listen_addresses: '127.0.0.1',
  max_connections: 200,
  shared_buffers: '32MB',
  huge_pages: 'off',
  // In the data folder: a killed server leaves nothing in /dev/shm that way.
  dynamic_shared_memory_type: 'mmap',
  wal_level: 'logical',
  max_wal_senders: 20,
  max_replication_slots: 20,
  max_logical_replication_workers: 0,
  wal_keep_size: '256MB',
  wal_init_zero: false,
  wal_recycle: false,
  // A standby that lost its primary looks for it again at once; the default is five seconds.
  wal_retrieve_retry_interval: '50ms',
  jit: false,
  timezone: 'UTC',
  log_timezone: 'UTC',
});

/** For data that nobody misses: losing power may damage it, a killed server does not. */
export const volatileSettings: PostgresSettings = Object.freeze({ fsync: false, full_page_writes: false });

/** The text of a postgresql.conf. */
export function formatSettings(settings: PostgresSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${formatValue(value)}'\n`)
    .join('');
}

function formatValue(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value).replaceAll("'", "''");
}
