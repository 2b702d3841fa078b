import type { Signalled } from '../kernel/abort.js';
import type { PostgresProcess } from './postgres-process.js';
import type { Row } from './postgres-query.js';
import { cloneAsStandby, isStandby, repointStandby, untilStreaming } from './postgres-standby.js';
import { waitFor } from './wait-for.js';

/** One real Postgres server of a test cluster, and everything that can befall it. */
export class TestServer {
  readonly #server: PostgresProcess;
  readonly #user: string;
  readonly #database: string;

  constructor(server: PostgresProcess, user: string, database: string) {
    this.#server = server;
    this.#user = user;
    this.#database = database;
  }

  /** `primary`, `replica_1`, `replica_2`, … as it was when the cluster was made. */
  get name(): string {
    return this.#server.name;
  }

  /** Stays the same from the first start on. */
  get port(): number {
    return this.#server.port;
  }

  /** Connection URL of the cluster's database, with the cluster's user. */
  get url(): string {
    const [user, database] = [this.#user, this.#database].map(encodeURIComponent);
    return `postgres://${user}@127.0.0.1:${this.port}/${database}`;
  }

  get dataFolder(): string {
    return this.#server.dataFolder;
  }

  get running(): boolean {
    return this.#server.running;
  }

  /** The process id of the postmaster; `undefined` while the server is down. */
  get pid(): number | undefined {
    return this.#server.pid;
  }

  /** What the server has logged since its last start. */
  log(): string {
    return this.#server.log();
  }

  /** Runs one statement as superuser in the database `postgres`, on a connection of its own, and returns its rows. */
  async query(text: string, values: readonly unknown[] = [], options: Signalled = {}): Promise<Row[]> {
    return this.#server.query(text, values, options);
  }

  /** Starts the server and waits until it accepts connections; does nothing while it runs. */
  async start(options: Signalled = {}): Promise<void> {
    await this.#server.start(options);
  }

  /**
   * Ends the server as an administrator would: connections are closed with 57P01, everything is written. One that has
   * not ended after ten seconds, because a standby of it is frozen for example, is killed.
   */
  async stop(options: Signalled = {}): Promise<void> {
    await this.#server.end('SIGINT', options);
  }

  /** SIGKILL to the server and all its processes. The data stays; {@link TestServer.start} recovers it. */
  async kill(options: Signalled = {}): Promise<void> {
    await this.#server.kill(options);
  }

  /** Stops all processes of the server where they are: connections stay open and are accepted, nothing answers. */
  freeze(): void {
    this.#server.freeze();
  }

  /** Lets a frozen server go on. */
  thaw(): void {
    this.#server.thaw();
  }

  /** Ends one connection from the server's side, by the pid that `pg_backend_pid()` told, with 57P01. */
  async killBackend(pid: number, options: Signalled = {}): Promise<void> {
    await this.query('select pg_terminate_backend($1)', [pid], options);
  }

  /** A standby stops applying what it receives, until {@link TestServer.resumeReplay}: its data stays as it is now. */
  async pauseReplay(options: Signalled = {}): Promise<void> {
    await this.query('select pg_wal_replay_pause()', [], options);
    const isPaused = `select where pg_get_wal_replay_pause_state() = 'paused'`;
    await waitFor(async () => (await this.query(isPaused, [], options)).length > 0, {
      intervalMs: 5,
      signal: options.signal,
      message: `${this.name} to pause`,
    });
  }

  /** A standby goes on applying. */
  async resumeReplay(options: Signalled = {}): Promise<void> {
    await this.query('select pg_wal_replay_resume()', [], options);
  }

  /** A standby shows each commit this much later than the primary; 0 ends the delay. */
  async delayReplay(delayMs: number, options: Signalled = {}): Promise<void> {
    const setting = `${Math.max(0, Math.round(delayMs))}ms`;
    await this.query(`alter system set recovery_min_apply_delay = '${setting}'`, [], options);
    await this.query('select pg_reload_conf()', [], options);
  }

  /** A standby becomes a primary on a timeline of its own; resolves when it takes writes. */
  async promote(options: Signalled = {}): Promise<void> {
    await this.query('select pg_promote(wait => true)', [], options);
  }

  /**
   * Follows another server from now on.
   *
   * A standby is pointed at it and keeps its connections; one whose history has parted from the other's, and a former
   * primary, lose their data and are cloned from it. Resolves when the server streams.
   */
  async follow(primary: TestServer, options: Signalled = {}): Promise<void> {
    const [standby, source] = [this.#server, primary.#server];
    if ((await isStandby(standby)) && (await repointStandby(standby, source, options))) return;
    await cloneAsStandby(standby, source, options);
    await standby.start(options);
    await untilStreaming(standby, source, options);
  }
}
