import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Signalled } from '../kernel/abort.js';
import { PandoError } from '../kernel/errors.js';
import { freePort } from './free-port.js';
import { GuardedProcess } from './guarded-process.js';
import type { Account } from './postgres-account.js';
import { switchTo } from './postgres-account.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import type { Row } from './postgres-query.js';
import { queryOnce } from './postgres-query.js';
import { waitFor } from './wait-for.js';

const execute = promisify(execFile);
const startTimeoutMs = 60_000;

/** Where a server of a cluster lives and whom it lets in. */
export interface PostgresHome {
  readonly binaries: PostgresBinaries;
  readonly account: Account;
  /** Holds the servers' sockets and logs. */
  readonly folder: string;
  /** Holds the data, in a folder that has the server's name. */
  readonly dataFolder: string;
}

/**
 * A Postgres server ended before it was ready. The message holds the last lines of its log.
 *
 * Read the log: a setting it does not know, a port in use, no space left.
 */
export class ServerStartError extends PandoError {
  constructor(name: string, log: string) {
    super({
      code: 'PANDO_TESTING_SERVER_START',
      message: `The Postgres server "${name}" ended before it was ready. It said:\n${log}`,
    });
  }
}

/** A Postgres server as a process with a data folder, which it does not make. */
export class PostgresProcess {
  readonly name: string;
  readonly dataFolder: string;
  readonly account: Account;
  readonly #binaries: PostgresBinaries;
  readonly #folder: string;
  #port: number;
  #portIsFixed: boolean;
  #starts = 0;
  #process: GuardedProcess | undefined;

  constructor(name: string, home: PostgresHome, port: number | undefined) {
    this.name = name;
    this.dataFolder = join(home.dataFolder, name);
    this.account = home.account;
    this.#binaries = home.binaries;
    this.#folder = home.folder;
    this.#port = port ?? 0;
    this.#portIsFixed = port !== undefined;
  }

  /** Stays the same from the first start on. */
  get port(): number {
    return this.#port;
  }

  /** For the superuser who is always there. */
  get adminUrl(): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/postgres`;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  get pid(): number | undefined {
    return this.running ? this.#process?.pid : undefined;
  }

  /** What the server has logged since its last start: all of it, or the last lines. */
  log(options?: { readonly lines?: number }): string {
    return this.#process?.output(options) ?? '';
  }

  async query(text: string, values: readonly unknown[] = [], options: Signalled = {}): Promise<Row[]> {
    return queryOnce(this.adminUrl, text, values, options);
  }

  async start({ signal }: Signalled = {}): Promise<void> {
    if (this.running) return;
    for (let attempt = 1; !this.#portIsFixed; attempt++) {
      this.#port = await freePort();
      try {
        await this.#launch(signal);
        this.#portIsFixed = true;
      } catch (error) {
        // Between the search for a port and the server's own bind another process may have taken it.
        if (attempt === 5 || !this.log().includes('could not bind')) throw error;
      }
    }
    if (!this.running) await this.#launch(signal);
  }

  async kill({ signal }: Signalled = {}): Promise<void> {
    await this.#process?.kill({ signal });
  }

  freeze(): void {
    this.#process?.freeze();
  }

  thaw(): void {
    this.#process?.thaw();
  }

  /** SIGINT ends it as an administrator would; SIGQUIT at once, to be recovered at the next start. */
  async end(request: 'SIGINT' | 'SIGQUIT', { signal }: Signalled = {}): Promise<void> {
    await this.#process?.end(request, { signal });
  }

  /** Ends it at once and gives back what a killed server holds in the system. */
  async dismantle(): Promise<void> {
    await this.end('SIGQUIT');
    const [, segment] = (await this.#lockLines())[6]?.trim().split(/\s+/) ?? [];
    if (segment) await execute('ipcrm', ['-m', segment]).catch(() => undefined); // gone with a reboot at the latest
  }

  async #launch(signal: AbortSignal | undefined): Promise<void> {
    this.#starts += 1;
    const server = await GuardedProcess.start(
      join(this.#binaries.folder, 'postgres'),
      [
        '-D',
        this.dataFolder,
        '-p',
        String(this.#port),
        '-k',
        this.#folder,
        '-c',
        `cluster_name=${this.name}`,
      ],
      {
        outputFile: join(this.#folder, `${this.name}-${this.#starts}.log`),
        cwd: this.#folder,
        env: this.#binaries.env,
        account: switchTo(this.account),
        lastSignal: 'SIGQUIT', // on SIGKILL it could not give its shared memory back
      },
    );
    this.#process = server;
    try {
      await waitFor(async () => !server.running || (await this.#isReady(server.pid)), {
        intervalMs: 10,
        timeoutMs: startTimeoutMs,
        signal,
        message: () => `${this.name} to accept connections. It said:\n${server.output({ lines: 12 })}`,
      });
    } catch (error) {
      await server.end('SIGQUIT');
      throw error;
    }
    if (!server.running) throw new ServerStartError(this.name, server.output({ lines: 12 }));
  }

  async #isReady(pid: number): Promise<boolean> {
    const lines = await this.#lockLines();
    return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
  }

  /** The postmaster's lock file: its pid in the first line, its shared memory in the seventh, its state in the eighth. */
  async #lockLines(): Promise<string[]> {
    return (await readFile(join(this.dataFolder, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  }
}
