import type { TransactionOptions } from '../api.js';
import { capacityColumn } from '../capacity-column.js';
import type { ServerReport } from '../ports.js';
import { endOfLastRecord, parseLsn } from '../position.js';
import type { LagProbe } from '../server-options.js';

/*
 * All of these are open to a plain role on a primary and on a standby, except pg_stat_wal_receiver, which
 * shows nulls without pg_monitor. A standby then learns late that it follows a promoted server, and is not
 * read from until then.
 */

/** On a standby: the newest timeline that its log is known to have come to. */
const replicaTimeline = `greatest(
    (select timeline_id from pg_control_checkpoint()),
    (select min_recovery_end_timeline from pg_control_recovery()),
    (select received_tli from pg_stat_wal_receiver))`;

/** On a primary: every log file's name begins with the timeline. It stays for as long as the server runs. */
const primaryTimeline = `('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int`;

function replayLsn(lagProbe: LagProbe): string {
  if (lagProbe === 'none') return 'null';
  return lagProbe === 'postgres' ? 'pg_last_wal_replay_lsn()' : `(${lagProbe.replayLsn})`;
}

const reportColumns = (lagProbe: LagProbe): string => `
  pg_is_in_recovery() as recovering,
  (select system_identifier::text from pg_control_system()) as system,
  coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'local')
    || ' ' || extract(epoch from pg_postmaster_start_time()) as node,
  case when pg_is_in_recovery() then ${replicaTimeline} else ${primaryTimeline} end as timeline,
  case when pg_is_in_recovery() then ${replayLsn(lagProbe)} else pg_current_wal_flush_lsn() end::text as lsn`;

/** What a server says about itself. */
export const reportText = (lagProbe: LagProbe): string => `select ${reportColumns(lagProbe)}`;

/**
 * Changes when the server has recovered from a crash, or from the crash of one backend, and with nothing else that is
 * known without special rights: statistics outlive a shutdown, and are thrown away then.
 */
const lifeColumn = `coalesce(pg_stat_get_bgwriter_stat_reset_time()::text, '')`;

/** The same at the start of a session, with what stays the same, and with the session's own settings. */
export const greetingText = (statementTimeoutMs: number | false, lagProbe: LagProbe): string =>
  `select ${reportColumns(lagProbe)},
  pg_size_bytes(current_setting('wal_segment_size'))::text as segment_bytes,
  pg_backend_pid() as pid,
  ${capacityColumn} as capacity,
  ${lifeColumn} as life
  ${statementTimeoutMs === false ? '' : `, set_config('statement_timeout', '${statementTimeoutMs}', false)`}`;

/**
 * Sets back what a borrower may have changed in its session.
 *
 * What DISCARD ALL does, but for the statements that are prepared over the wire: the client would not know that they
 * are gone. Those of PREPARE go.
 */
export const resetText = (statementTimeoutMs: number | false): string => `
  close all; set session authorization default; reset all; unlisten *;
  select pg_advisory_unlock_all(); discard plans; discard temp; discard sequences;
  do $$ declare prepared text; begin
    for prepared in select name from pg_prepared_statements where from_sql loop
      execute format('deallocate %I', prepared);
    end loop;
  end $$;
  ${statementTimeoutMs === false ? '' : `set statement_timeout = ${statementTimeoutMs}`}`;

/** Sent behind a commit: whatever it returns was true after the commit was acknowledged. */
export const positionText = `select
  pg_current_wal_flush_lsn()::text as flushed,
  pg_current_wal_insert_lsn()::text as inserted,
  current_setting('synchronous_commit') as mode`;

/** Sent behind a read: nothing that the read saw is missing in what it returns. */
export const observedText = `select
  case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end::text as reached,
  case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_insert_lsn() end::text as received,
  pg_is_in_recovery() as recovering,
  current_setting('synchronous_commit') as mode`;

/** Sent ahead of COMMIT: `set local synchronous_commit` is gone after it. */
export const beforeCommitText = `select
  pg_current_xact_id_if_assigned()::text as xid,
  current_setting('synchronous_commit') as mode`;

/** Sent behind the first statement of a transaction that may write, so that its number is known when COMMIT is sent. */
export const xidText = 'select pg_current_xact_id_if_assigned()::text as xid';

/** What became of a transaction: null where the number is too old to tell. */
export const fateText = 'select pg_xact_status($1::xid8) as fate';

/** BEGIN with the characteristics of the transaction. */
export function beginText({
  isolation,
  readOnly,
}: Pick<TransactionOptions, 'isolation' | 'readOnly'>): string {
  return `begin${isolation === undefined ? '' : ` isolation level ${isolation}`}${readOnly ? ' read only' : ''}`;
}

/** A row of {@link reportText}. */
export interface ReportRow {
  readonly recovering: boolean;
  readonly system: string;
  readonly node: string;
  readonly timeline: number;
  readonly lsn: string | null;
}

/** A row of {@link greetingText}. */
export interface GreetingRow extends ReportRow {
  readonly segment_bytes: string;
  readonly pid: number;
  readonly capacity: number;
  readonly life: string;
}

/** A row of {@link xidText}. */
export interface XidRow {
  readonly xid: string | null;
}

/** A row of {@link fateText}. */
export interface FateRow {
  readonly fate: 'committed' | 'aborted' | 'in progress' | null;
}

/** What a session is to its server. A pooler gives its clients a number of its own in place of the server's process. */
export function standingOf(
  { pid, capacity }: GreetingRow,
  processId: number | undefined,
): { readonly isPooled: boolean; readonly capacity: number | undefined } {
  const isPooled = processId !== pid;
  return { isPooled, capacity: isPooled ? undefined : capacity };
}

/** A row of {@link positionText}. */
export interface PositionRow {
  readonly flushed: string;
  readonly inserted: string;
  readonly mode: string;
}

/** A row of {@link observedText}. */
export interface ObservedRow {
  readonly reached: string | null;
  readonly received: string | null;
  readonly recovering: boolean;
  readonly mode: string;
}

/** A row of {@link beforeCommitText}. */
export interface BeforeCommitRow {
  readonly xid: string | null;
  readonly mode: string;
}

export function reportOf(row: ReportRow): ServerReport {
  return {
    role: row.recovering ? 'replica' : 'primary',
    system: row.system,
    node: row.node,
    timeline: row.timeline,
    lsn: lsnIn(row.lsn),
  };
}

/**
 * The position behind an acknowledged commit.
 *
 * A synchronous commit is acknowledged after its flush, so what is flushed reaches behind it. (The insert
 * position would, too, but counts what other sessions have not flushed: standbys get that up to 200 ms
 * later.) With `synchronous_commit = off` nothing is flushed yet, and only the insert position is enough.
 */
export function lsnOf(row: PositionRow, segmentBytes: bigint, commitMode = row.mode): bigint {
  return commitMode === 'off' || row.mode === 'off'
    ? endOfLastRecord(parseLsn(row.inserted), segmentBytes)
    : parseLsn(row.flushed);
}

/**
 * Where everything that a read saw lies before, from a row that was read behind it.
 *
 * A standby shows a commit before it counts the record as replayed: the record that follows the reported position may
 * be in the middle of it, for as long as the files of dropped tables take. So where more has been received, the bound is one
 * byte behind the position: who has come further has replayed that record, too. On a primary all that is visible is
 * flushed, unless commits do not wait for that.
 */
export function upToOf(row: ObservedRow, segmentBytes: bigint): bigint {
  const reached = lsnIn(row.reached);
  if (!row.recovering) {
    return row.mode === 'off' ? endOfLastRecord(lsnIn(row.received), segmentBytes) : reached;
  }
  return row.received === null || lsnIn(row.received) > reached ? reached + 1n : reached;
}

/** A standby that restores from an archive may not have begun, and others cannot say it: nothing is certain to be seen there. */
export function lsnIn(text: string | null): bigint {
  return text === null ? 0n : parseLsn(text);
}
