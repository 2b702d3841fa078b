import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TemporaryFolder } from '@pando/core/testing';
import { createTemporaryFolder, freePort, GuardedProcess, waitFor } from '@pando/core/testing';
import type { RedisOptions } from 'ioredis';
import { Redis } from 'ioredis';
import type { Certificate } from './certificate.js';
import { createCertificate } from './certificate.js';
import { requireServer } from './servers.js';

export interface RedisServerOptions {
  /** @defaultValue a free one */
  readonly port?: number | undefined;
  /** More arguments for redis-server, over ours. */
  readonly args?: readonly string[] | undefined;
  /** Everyone must present it. */
  readonly password?: string | undefined;
  /** Speaks TLS only, with a certificate made for it. @defaultValue `false` */
  readonly tls?: boolean | undefined;
  /** Lines of a configuration that makes the server a Sentinel. */
  readonly sentinel?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One real Redis server on a port of 127.0.0.1. It keeps nothing on disk unless its arguments say so. */
export class RedisServer implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  readonly #options: RedisServerOptions;
  readonly #certificate: Certificate | undefined;
  #port: number;
  #starts = 0;
  #process: GuardedProcess | undefined;

  private constructor(
    folder: TemporaryFolder,
    options: RedisServerOptions,
    certificate: Certificate | undefined,
  ) {
    this.#folder = folder;
    this.#options = options;
    this.#certificate = certificate;
    this.#port = options.port ?? 0;
  }

  /** Starts a server and resolves when it answers. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const folder = await createTemporaryFolder('pando-redis-');
    const certificate = options.tls ? await createCertificate(folder.path) : undefined;
    const server = new RedisServer(folder, options, certificate);
    try {
      await server.#startOnFreePort();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  readonly host = '127.0.0.1';

  /** Stays the same over restarts. */
  get port(): number {
    return this.#port;
  }

  get url(): string {
    const { tls, password } = this.#options;
    const login = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
    return `${tls ? 'rediss' : 'redis'}://${login}${this.host}:${this.#port}`;
  }

  /** PEM of the authority that signed the server's certificate; `undefined` without TLS. */
  get ca(): string | undefined {
    return this.#certificate?.ca;
  }

  get pid(): number | undefined {
    return this.running ? this.#process?.pid : undefined;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** What the server has printed since its last start. */
  log(): string {
    return this.#process?.output() ?? '';
  }

  /** Runs one command on a connection of its own. */
  async command(name: string, ...args: (string | number)[]): Promise<unknown> {
    const client = this.connect({ lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    client.on('error', () => undefined); // the command rejects with it
    try {
      await client.connect();
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  }

  /** How often this command was executed so far, by scripts too. */
  async calls(name: string): Promise<number> {
    const stats = String(await this.command('info', 'commandstats'));
    return Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
  }

  /** A client for this server; the caller closes it. */
  connect(options: Omit<RedisOptions, 'replyMapping'> = {}): Redis {
    return new Redis(this.url, { ...(this.ca === undefined ? {} : { tls: { ca: this.ca } }), ...options });
  }

  /** SIGKILL: connections end without a word, what was in memory is gone. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Stops the process where it is: connections stay open and are accepted, nothing answers. */
  freeze(): void {
    this.#process?.freeze();
  }

  thaw(): void {
    this.#process?.thaw();
  }

  /** Ends the server if it runs and starts it again on the same port, empty or with the data that it had when it ended. */
  async restart({ keepData = false }: { readonly keepData?: boolean | undefined } = {}): Promise<void> {
    if (this.running) {
      if (keepData) await this.command('save');
      await this.#process?.kill();
    }
    if (!keepData) {
      for (const name of ['dump.rdb', 'appendonlydir']) {
        await rm(this.#file(name), { recursive: true, force: true });
      }
    }
    await this.#launch();
  }

  async close(): Promise<void> {
    await this.#process?.kill();
    await this.#folder[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #startOnFreePort(): Promise<void> {
    if (this.#options.port !== undefined) return this.#launch();
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort();
      try {
        return await this.#launch();
      } catch (error) {
        // Between the search for a port and the server's own bind another process may have taken it.
        if (attempt === 5 || !/Address already in use|Failed listening/.test(this.log())) throw error;
      }
    }
  }

  async #launch(): Promise<void> {
    this.#starts += 1;
    const { sentinel } = this.#options;
    // A Sentinel keeps what it learns in its configuration file.
    if (sentinel && this.#starts === 1)
      await writeFile(this.#file('sentinel.conf'), `${sentinel.join('\n')}\n`);
    const server = await GuardedProcess.start(requireServer('redis'), this.#arguments(), {
      outputFile: this.#file(`server-${this.#starts}.log`),
      cwd: this.#folder.path,
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    });
    this.#process = server;
    const { signal } = this.#options;
    const said = () => `Redis to answer on port ${this.#port}. It said:\n${server.output({ lines: 12 })}`;
    await waitFor(async () => !server.running || (await this.#answers()), {
      intervalMs: 10,
      signal,
      message: said,
    });
    if (!server.running)
      throw new Error(`Redis ended before it was ready. It said:\n${server.output({ lines: 12 })}`);
  }

  #arguments(): string[] {
    const { args = [], password, sentinel, tls } = this.#options;
    const listen = tls
      ? [
          '--port',
          '0',
          '--tls-port',
          String(this.#port),
          '--tls-auth-clients',
          'no',
          '--tls-replication',
          'yes',
        ]
      : ['--port', String(this.#port)];
    const files = this.#certificate
      ? ['--tls-cert-file', 'server.crt', '--tls-key-file', 'server.key', '--tls-ca-cert-file', 'ca.crt']
      : [];
    const login = password === undefined ? [] : ['--requirepass', password, '--masterauth', password];
    const common = [...listen, '--bind', this.host, '--dir', this.#folder.path, ...files, ...login];
    return sentinel
      ? [this.#file('sentinel.conf'), ...common, ...args, '--sentinel']
      : [...common, '--save', '', '--appendonly', 'no', ...args];
  }

  #file(name: string): string {
    return join(this.#folder.path, name);
  }

  /** Not while another server holds the port: that one's process id is another. A client connects once data is loaded. */
  async #answers(): Promise<boolean> {
    return String(await this.command('info', 'server')).includes(`process_id:${this.#process?.pid}\r\n`);
  }
}
