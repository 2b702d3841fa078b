import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serverAccount, switchTo } from '../../packages/core/src/testing/postgres-account.js';
import { ServerProcess } from './server-process.js';
import { requireServer } from './servers.js';

export interface PgBouncerOptions {
  /** URL of the server behind it; its user may log in without a password. */
  readonly target: string;
  /** @defaultValue `'transaction'` */
  readonly poolMode?: 'session' | 'transaction' | 'statement' | undefined;
  /** More lines of its [pgbouncer] section. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A real PgBouncer in front of a Postgres server. */
export class PgBouncer implements AsyncDisposable {
  /** The target's URL with the bouncer's port. */
  readonly url: string;
  readonly process: ServerProcess;

  constructor(process: ServerProcess, target: string) {
    const url = new URL(target);
    url.host = `127.0.0.1:${process.port}`;
    this.url = url.href;
    this.process = process;
  }

  async close(): Promise<void> {
    await this.process.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Starts a PgBouncer for all databases of the target's server. */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  const { target, poolMode = 'transaction', settings = {}, signal } = options;
  const { hostname, port: targetPort, username } = new URL(target);
  const account = await serverAccount(); // like Postgres it refuses to run as root
  const server = await ServerProcess.start({
    name: 'pgbouncer',
    command: requireServer('pgbouncer'),
    account: switchTo(account),
    signal,
    async prepare(port, folder) {
      const lines = {
        listen_addr: '127.0.0.1',
        listen_port: port,
        unix_socket_dir: '',
        auth_type: 'trust',
        auth_file: join(folder, 'users.txt'),
        pool_mode: poolMode,
        max_client_conn: 1000,
        ...settings,
      };
      const section = Object.entries(lines).map(([name, value]) => `${name} = ${value}`);
      await writeFile(join(folder, 'users.txt'), `"${decodeURIComponent(username)}" ""\n`);
      await writeFile(
        join(folder, 'pgbouncer.ini'),
        `[databases]\n* = host=${hostname} port=${targetPort}\n[pgbouncer]\n${section.join('\n')}\n`,
      );
      return [join(folder, 'pgbouncer.ini')];
    },
  });
  return new PgBouncer(server, target);
}
