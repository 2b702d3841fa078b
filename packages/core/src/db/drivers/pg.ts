import pg from 'pg';
import { deadline } from '../../kernel/abort.js';
import type { Clock } from '../../kernel/clock.js';
import { PandoOptionsError } from '../../kernel/errors.js';
import type { Fleet } from '../../kernel/fleet.js';
import type { Kernel } from '../../kernel/kernel.js';
import { SqlClassifier } from '../classifier.js';
import { ConnectionBudget } from '../connection-budget.js';
import { databaseInstruments } from '../metrics.js';
import type { ResolvedDatabaseOptions } from '../options.js';
import type { Backend, Connection, ConnectOptions, DatabaseDriver, StatementClassifier } from '../ports.js';
import type { ResolvedServer } from '../server-options.js';
import { FencedPool } from './fenced-pool.js';
import { requestCancel } from './pg-cancel.js';
import { PgConnection, patienceMs } from './pg-connection.js';
import { PgOutbox } from './pg-outbox.js';
import {
  type GreetingRow,
  greetingText,
  reportOf,
  reportText,
  resetText,
  standingOf,
} from './pg-statements.js';
import { PgTicks } from './pg-ticks.js';
import { PreparedStatements } from './prepared-statements.js';

/** Connects through the `pg` client. */
export function createPgDriver(
  options: ResolvedDatabaseOptions,
  kernel: Kernel,
  fleet?: Fleet,
): DatabaseDriver {
  const classifier = new SqlClassifier(options.primaryFunctions);
  const budget = new ConnectionBudget({ options, fleet, logger: kernel.logger });
  return {
    classifier,
    backend: (server) => new PgBackend(server, options, kernel, classifier),
    pool: (backend, role, hooks) => new FencedPool(backend, { ...options.pool, role, budget }, hooks, kernel),
    outbox: ({ label }, outbox) => new PgOutbox(label, kernel.keys.name, outbox),
    ticks: ({ label }) => new PgTicks(label),
  };
}

type Session = Pick<
  ResolvedDatabaseOptions,
  'name' | 'connectTimeoutMs' | 'statementTimeoutMs' | 'prepareStatements'
>;

/** One Postgres server. */
class PgBackend implements Backend {
  readonly label: string;
  readonly #config: pg.ClientConfig;
  readonly #greetingText: string;
  readonly #reportText: string;
  readonly #resetText: string;
  readonly #connectTimeoutMs: number;
  readonly #clock: Clock;
  readonly #prepared: PreparedStatements;
  readonly #onlyReads: (text: string) => boolean;

  constructor(
    server: ResolvedServer,
    { name, connectTimeoutMs, statementTimeoutMs, prepareStatements }: Session,
    { clock, meter }: Pick<Kernel, 'clock' | 'meter'>,
    classifier: StatementClassifier,
  ) {
    this.#onlyReads = (text) => classifier.kindOf(text) === 'read';
    this.#config = {
      ...configOf(server),
      fallback_application_name: `pando:${name}`,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      pipeline: true,
    };
    const { host, port, database } = new pg.Client(this.#config);
    this.label = `${host}:${port}/${database}`;
    this.#greetingText = greetingText(statementTimeoutMs, server.lagProbe);
    this.#reportText = reportText(server.lagProbe);
    this.#resetText = resetText(statementTimeoutMs);
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#clock = clock;
    this.#prepared = new PreparedStatements({
      isOn: prepareStatements,
      refuted: meter.counter(databaseInstruments.refutedNames, { server: this.label }),
    });
  }

  async connect({ signal, onLost }: ConnectOptions): Promise<Connection> {
    signal?.throwIfAborted();
    const client = new pg.Client(this.#config);
    let connection: PgConnection | undefined;
    let lostBy: unknown;
    const lost = (cause: unknown) => {
      lostBy ??= cause;
      connection?.lost(cause);
    };
    // From birth: an error event without a listener would end the process.
    client.on('error', lost);
    client.on('end', () => lost(new Error('the server closed the connection')));

    const late = () => new Error(`no answer within ${this.#connectTimeoutMs} ms`);
    const limit = deadline(this.#clock, this.#connectTimeoutMs, late, signal);
    const cut = () => client.connection.stream.destroy();
    limit.signal.addEventListener('abort', cut, { once: true });
    try {
      await client.connect();
      const { rows } = await client.query<GreetingRow>(this.#greetingText);
      // The end of a session can overtake the promise of its greeting.
      if (lostBy !== undefined) throw lostBy;
      const greeting = rows[0] as GreetingRow;
      connection = new PgConnection({
        client,
        label: this.label,
        clock: this.#clock,
        greeting: reportOf(greeting),
        ...standingOf(greeting, (client as pg.Client & Numbered).processID),
        segmentBytes: BigInt(greeting.segment_bytes),
        life: greeting.life,
        onlyReads: this.#onlyReads,
        prepared: this.#prepared,
        reportText: this.#reportText,
        resetText: this.#resetText,
        onLost,
        cancel: () => requestCancel(client, this.#config.ssl, this.#clock, patienceMs),
      });
      return connection;
    } catch (error) {
      cut();
      throw limit.signal.aborted ? limit.signal.reason : error;
    } finally {
      limit.signal.removeEventListener('abort', cut);
      limit[Symbol.dispose]();
    }
  }
}

/** What the server has called the session; the client's published types lack it. */
interface Numbered {
  readonly processID: number;
}

/** What the client makes of a connection URL; its published types lack it. */
interface Parsed {
  readonly connectionParameters: pg.ClientConfig & { readonly application_name?: string };
}

/** A URL of Postgres, or the folder of a socket. */
const connectionUrl = /^(\/|(postgres(ql)?|socket):\/\/)/i;

/** The client lets the URL win over single settings, an absent password over a function: here it is the other way round. */
function configOf(server: ResolvedServer): pg.ClientConfig {
  const {
    path,
    weight: _weight,
    shared: _shared,
    zone: _zone,
    lagProbe: _lagProbe,
    connectionString,
    password,
    ...settings
  } = server;
  const given: pg.ClientConfig = Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== undefined),
  );
  if (password !== undefined) given.password = typeof password === 'function' ? () => password() : password;
  if (connectionString === undefined) return given;
  try {
    // The client takes any text for the name of a database on a host called "base".
    if (!connectionUrl.test(connectionString))
      throw new Error('neither a URL of Postgres nor a socket folder');
    const { connectionParameters: url } = new pg.Client({ connectionString }) as pg.Client & Parsed;
    const { host, port, database, user, ssl, options, application_name } = url;
    return { host, port, database, user, password: url.password, ssl, options, application_name, ...given };
  } catch {
    throw new PandoOptionsError({
      code: 'PANDO_DB_OPTIONS',
      // Without the value and without the cause: both may hold the password.
      message: `${path} must be a connection URL such as "postgres://user@host:5432/name"; what was given cannot be read as one.`,
    });
  }
}
