import pg from 'pg';
import { capacityColumn } from '../../db/capacity-column.js';
import { databaseDefaults } from '../../db/options.js';
import { placeOf } from './words.js';

/** One replication slot. */
export interface SlotRow {
  readonly name: string;
  readonly active: boolean;
  /** Log that is kept for it. */
  readonly kept: string | null;
  /** `lost`: what it stood for is gone. */
  readonly status: string | null;
}

/** What a server says of itself. */
interface FactsRow {
  readonly version: string;
  readonly recovering: boolean;
  readonly system: string;
  readonly pid: number;
  readonly capacity: number;
  readonly others: number;
  readonly keep: string;
  readonly paused: boolean | null;
  readonly lsn: string | null;
  readonly standbys: number;
  readonly slotless: number;
}

/** What waits in the outbox of the kit. */
interface OutboxRow {
  readonly waiting: number;
}

/** What there is to see of one Postgres server. */
export interface DatabaseServer {
  /** `host:port`. */
  readonly label: string;
  /** `15.6`. */
  readonly version: string;
  /** Whether it replays the log of another one. */
  readonly isStandby: boolean;
  /** Names the data: the same on a primary and its standbys. */
  readonly system: string;
  /** Connections that there are for this role. */
  readonly capacity: number;
  /** Connections of other programs now. */
  readonly others: number;
  /** Whether a pooler stands before it. */
  readonly isPooled: boolean;
  readonly isReplayPaused: boolean;
  /** Log that is kept for standbys without a slot; `0` for none. */
  readonly keptLog: string;
  readonly standbys: number;
  /** Standbys that stream without a slot. */
  readonly slotless: number;
  readonly slots: readonly SlotRow[];
  /** Transactions whose effects have waited for more than a minute. */
  readonly waitingEffects: number;
  /** How long after the primary it had what the primary has; undefined when it was not awaited, or not in time. */
  readonly caughtUpMs: number | undefined;
}

/** Where to look, and for how long. */
export interface DatabasePlaceOptions {
  readonly url: string;
  /** The kit's name. */
  readonly name: string;
  readonly timeoutMs: number;
  /** Position of the primary, which the server is to reach. */
  readonly awaited?: string | undefined;
}

/** What is seen of a server, and how far its log is. */
export interface DatabaseSight {
  readonly server: DatabaseServer;
  readonly lsn: string | undefined;
}

const factsText = (name: string): string => `select
  current_setting('server_version') as version,
  pg_is_in_recovery() as recovering,
  (select system_identifier::text from pg_control_system()) as system,
  pg_backend_pid() as pid,
  ${capacityColumn} as capacity,
  (select count(*)::int from pg_stat_activity where datname is not null and pid <> pg_backend_pid()
    and application_name <> ${pg.escapeLiteral(`pando:${name}`)}) as others,
  current_setting('wal_keep_size') as keep,
  case when pg_is_in_recovery() then pg_is_wal_replay_paused() end as paused,
  case when pg_is_in_recovery() then null else pg_current_wal_flush_lsn()::text end as lsn,
  (select count(*)::int from pg_stat_replication) as standbys,
  (select count(*)::int from pg_stat_replication where application_name not like 'pg_basebackup%'
    and pid not in (select active_pid from pg_replication_slots where active_pid is not null)) as slotless`;

const slotsText = `select slot_name as name, active, wal_status as status,
  case when pg_is_in_recovery() then null
    else pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) end as kept
  from pg_replication_slots order by slot_name`;

/** How often a replica is asked how far it is. */
const pollMs = 25;

/** Looks at a server, and changes nothing there; rejects when it cannot be reached or lets nobody in. */
export async function lookAtDatabase(options: DatabasePlaceOptions): Promise<DatabaseSight> {
  const { url, name, timeoutMs, awaited } = options;
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    application_name: 'pando-doctor',
  });
  client.on('error', () => undefined); // what runs rejects
  try {
    await client.connect();
    const [facts] = (await client.query<FactsRow>(factsText(name))).rows as [FactsRow];
    const { processID } = client as pg.Client & { readonly processID?: number };
    const isPaused = facts.paused === true;
    const server: DatabaseServer = {
      label: placeOf(url, 5_432),
      version: facts.version,
      isStandby: facts.recovering,
      system: facts.system,
      capacity: facts.capacity,
      others: facts.others,
      isPooled: processID !== facts.pid,
      isReplayPaused: isPaused,
      keptLog: facts.keep,
      standbys: facts.standbys,
      slotless: facts.slotless,
      slots: (await client.query<SlotRow>(slotsText)).rows,
      waitingEffects: await waitingEffectsOf(client, name),
      caughtUpMs:
        awaited === undefined || !facts.recovering || isPaused ? undefined : await arrivalOf(client, awaited),
    };
    return { server, lsn: facts.lsn ?? undefined };
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** 0 where there is no outbox, or none that may be read. */
async function waitingEffectsOf(client: pg.Client, name: string): Promise<number> {
  const text = `select count(*)::int as waiting from pando_outbox
    where kit = $1 and created_at < now() - interval '1 minute'`;
  const rows = await client.query<OutboxRow>(text, [name]).then(
    ({ rows }) => rows,
    () => [],
  );
  return rows[0]?.waiting ?? 0;
}

/** How long it takes until a replica shows what the primary had; undefined when longer than a replica in rotation may take. */
async function arrivalOf(client: pg.Client, awaited: string): Promise<number | undefined> {
  const startedAt = performance.now();
  for (;;) {
    const text = 'select pg_last_wal_replay_lsn() >= $1::pg_lsn as reached';
    const { rows } = await client.query<{ readonly reached: boolean | null }>(text, [awaited]);
    const passedMs = performance.now() - startedAt;
    if (rows[0]?.reached) return passedMs;
    if (passedMs > databaseDefaults.maxLagMs) return undefined;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
