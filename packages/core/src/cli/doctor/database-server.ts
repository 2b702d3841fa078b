import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { capacityColumn } from '../../db/capacity-column.js';
import { databaseDefaults } from '../../db/options.js';
import { messageOf } from '../../kernel/errors.js';
import { isAtLeast, placeOf, withoutSecrets } from './words.js';

/** One replication slot. */
export interface SlotRow {
  readonly name: string;
  readonly active: boolean;
  /** Log that is kept for it. */
  readonly kept: string | null;
  /** `lost`: what it stood for is gone. */
  readonly status: string | null;
}

/** What any server says to anybody. */
interface GreetingRow {
  readonly version: string;
  readonly recovering: boolean;
  readonly pid: number;
}

/** What a server says of itself that Pando can work with. */
interface FactsRow {
  readonly system: string;
  readonly started: string;
  readonly capacity: number;
  readonly archive: string;
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

/** What there is to see of any Postgres server. */
export interface DatabaseGreeting {
  /** `host:port`. */
  readonly label: string;
  /** `15.6`. */
  readonly version: string;
  /** Whether it replays the log of another one. */
  readonly isStandby: boolean;
  /** Whether a pooler stands before it. */
  readonly isPooled: boolean;
  /** Why it does not say what Pando asks of it. */
  readonly refusal: string | undefined;
}

/** What there is to see of one that Pando can work with. */
export interface DatabaseServer extends DatabaseGreeting {
  /** Names the data: the same on a primary and its standbys. */
  readonly system: string;
  /** When it was started, by its own clock: two names that agree on it lead to one server. */
  readonly started: string;
  /** Connections that there are for this role. */
  readonly capacity: number;
  /** Connections of other programs now. */
  readonly others: number;
  readonly isReplayPaused: boolean;
  /** Log that is kept for standbys without a slot; `0` for none. */
  readonly keptLog: string;
  /** Whether log is archived, where standbys may find what the primary has removed. */
  readonly isArchived: boolean;
  readonly standbys: number;
  /** Standbys that stream without a slot. */
  readonly slotless: number;
  readonly slots: readonly SlotRow[];
  /** Transactions whose effects have waited for more than a minute; undefined where that may not be read. */
  readonly waitingEffects: number | undefined;
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
  readonly greeting: DatabaseGreeting;
  /** Undefined where it is too old, or does not say what Pando asks of it. */
  readonly server: DatabaseServer | undefined;
  readonly lsn: string | undefined;
}

const greetingText = `select current_setting('server_version') as version, pg_is_in_recovery() as recovering,
  pg_backend_pid() as pid`;

/** With what routing asks for, too, although it is not looked at here: a role that may not ask is found out. */
const factsText = (name: string): string => `select
  (select system_identifier::text from pg_control_system()) as system,
  (select timeline_id from pg_control_checkpoint()) as timeline,
  (select min_recovery_end_timeline from pg_control_recovery()) as minimum,
  pg_postmaster_start_time()::text as started,
  ${capacityColumn} as capacity,
  current_setting('archive_mode') as archive,
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
const farewellMs = 500;
const undefinedTable = '42P01';

/** What Pando works with. */
export const leastVersion = [14, 0] as const;

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
    const [{ version, recovering, pid }] = (await client.query<GreetingRow>(greetingText)).rows as [
      GreetingRow,
    ];
    const { processID } = client as pg.Client & { readonly processID?: number };
    const greeting: DatabaseGreeting = {
      label: placeOf(url, 5_432),
      version,
      isStandby: recovering,
      isPooled: processID !== pid,
      refusal: undefined,
    };
    if (!isAtLeast(version, leastVersion)) return { greeting, server: undefined, lsn: undefined };
    let facts: FactsRow;
    let slots: readonly SlotRow[];
    try {
      [facts] = (await client.query<FactsRow>(factsText(name))).rows as [FactsRow];
      slots = (await client.query<SlotRow>(slotsText)).rows;
    } catch (cause) {
      if (!(cause instanceof pg.DatabaseError)) throw cause;
      const refusal = withoutSecrets(messageOf(cause), url);
      return { greeting: { ...greeting, refusal }, server: undefined, lsn: undefined };
    }
    const isPaused = facts.paused === true;
    const server: DatabaseServer = {
      ...greeting,
      system: facts.system,
      started: facts.started,
      capacity: facts.capacity,
      others: facts.others,
      isReplayPaused: isPaused,
      keptLog: facts.keep,
      isArchived: facts.archive !== 'off',
      standbys: facts.standbys,
      slotless: facts.slotless,
      slots,
      waitingEffects: await waitingEffectsOf(client, name),
      caughtUpMs:
        awaited === undefined || !recovering || isPaused ? undefined : await arrivalOf(client, awaited),
    };
    return { greeting, server, lsn: facts.lsn ?? undefined };
  } finally {
    // One that freezes now would have us wait for its farewell for ever.
    await Promise.race([client.end(), sleep(farewellMs, undefined, { ref: false })]).catch(() => undefined);
    (client as pg.Client & { readonly connection: { readonly stream: Socket } }).connection.stream.destroy();
  }
}

/** 0 where there is no outbox; undefined where it may not be read. */
async function waitingEffectsOf(client: pg.Client, name: string): Promise<number | undefined> {
  const text = `select count(*)::int as waiting from pando_outbox
    where kit = $1 and created_at < now() - interval '1 minute'`;
  try {
    return (await client.query<OutboxRow>(text, [name])).rows[0]?.waiting;
  } catch (cause) {
    return (cause as pg.DatabaseError).code === undefinedTable ? 0 : undefined;
  }
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
    await sleep(pollMs);
  }
}
