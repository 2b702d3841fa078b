import type { StatementClassifier, StatementKind } from './ports.js';
import { statementKind } from './statement-kind.js';

/** Texts whose kind is remembered: at least half as many as this are, the latest. */
const maxTexts = 4_000;
/** Longer texts are one of a kind, and heavy to keep. */
const maxTextLength = 20_000;

/**
 * Functions of Postgres that change something, that need what a session has done before, or that a standby answers with an
 * error or, worse, with success: it accepts advisory locks, and nobody else sees them.
 */
const primaryFunctions = [
  ...['nextval', 'setval', 'currval', 'lastval', 'setseed', 'set_config'],
  ...['pg_advisory*', 'pg_try_advisory*', 'pg_notify', 'pg_listening_channels', 'pg_my_temp_schema'],
  ...['txid_current', 'pg_current_xact_id', 'pg_export_snapshot'],
  ...['lo_*', 'loread', 'lowrite', 'dblink*', 'query_to_xml*', 'cursor_to_xml*'],
  ...['pg_*_backend', 'pg_reload_conf', 'pg_rotate_logfile', 'pg_log_*', 'pg_promote', 'pg_stat_reset*'],
  ...['pg_current_wal_*', 'pg_walfile_name*', 'pg_switch_wal', 'pg_create_restore_point', 'pg_*backup*'],
  ...['pg_create_*', 'pg_copy_*', 'pg_drop_*', 'pg_replication_*', 'pg_logical_*', 'pg_wal_replay_*'],
  ...['pg_import_system_collations', 'brin_*', 'gin_clean_pending_list', 'pg_nextoid'],
];

/** Tells what kind of statement a text of SQL is, and remembers it: an app has few texts and sends them often. */
export class SqlClassifier implements StatementClassifier {
  readonly #denied: RegExp;
  /** The latest texts, and those before them: together a cache whose hits move nothing but texts that grow old. */
  #young = new Map<string, StatementKind>();
  #old = new Map<string, StatementKind>();

  constructor(functions: readonly string[] = []) {
    const patterns = [...primaryFunctions, ...functions].map((name) =>
      name.replaceAll('$', '\\$').replaceAll('*', '.*'),
    );
    this.#denied = new RegExp(`^(?:${patterns.join('|')})$`);
  }

  kindOf(text: string): StatementKind {
    const young = this.#young.get(text);
    if (young !== undefined) return young;
    const kind = this.#old.get(text) ?? statementKind(text, (name) => this.#denied.test(name));
    this.#remember(text, kind);
    return kind;
  }

  learn(text: string): void {
    if (this.kindOf(text) === 'read') this.#remember(text, 'write');
  }

  #remember(text: string, kind: StatementKind): void {
    if (text.length > maxTextLength) return;
    if (this.#young.size >= maxTexts / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, kind);
  }
}
