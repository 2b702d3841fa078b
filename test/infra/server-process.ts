import { once } from 'node:events';
import { chown } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ProcessExit, TemporaryFolder } from '@pando/core/testing';
import { createTemporaryFolder, freePort, GuardedProcess, waitFor } from '@pando/core/testing';

export interface ServerProcessOptions {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  /** Writes what the program needs into its folder and returns its arguments; called again when the port was taken. */
  readonly prepare: (port: number, folder: string) => Promise<readonly string[]>;
  /** @defaultValue a free one */
  readonly port?: number | undefined;
  readonly env?: ((port: number) => NodeJS.ProcessEnv) | undefined;
  /** The user that it runs as; its folder becomes theirs. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  /** @defaultValue that the port takes connections */
  readonly isReady?: ((server: { port: number; output: string }) => boolean | Promise<boolean>) | undefined;
  /** @defaultValue `10_000` */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A program that listens on one port of 127.0.0.1, in a folder of its own, which a test can end, freeze and restart. */
export class ServerProcess implements AsyncDisposable {
  readonly #options: ServerProcessOptions;
  readonly #folder: TemporaryFolder;
  #port = 0;
  #starts = 0;
  #process: GuardedProcess | undefined;

  private constructor(options: ServerProcessOptions, folder: TemporaryFolder) {
    this.#options = options;
    this.#folder = folder;
  }

  /** Starts the program and resolves when it is ready. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const folder = await createTemporaryFolder(`pando-${options.name}-`);
    const server = new ServerProcess(options, folder);
    try {
      if (options.account) await chown(folder.path, options.account.uid, options.account.gid);
      await server.#startOnFreePort();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  /** Stays the same over restarts. */
  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.running ? this.#process?.pid : undefined;
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** What it has printed since its last start. */
  output(): string {
    return this.#process?.output() ?? '';
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Stops it where it is: connections stay open and are accepted, nothing answers. */
  freeze(): void {
    this.#process?.freeze();
  }

  thaw(): void {
    this.#process?.thaw();
  }

  /** SIGTERM; resolves when it has ended. It is killed when it has not within the time. */
  async terminate({
    timeoutMs = 30_000,
  }: {
    readonly timeoutMs?: number | undefined;
  } = {}): Promise<ProcessExit> {
    return (await this.#process?.end('SIGTERM', { timeoutMs })) ?? { code: null, signal: null };
  }

  /** Ends it if it runs, with SIGTERM, and starts it again on the same port. */
  async restart(): Promise<void> {
    if (this.running) await this.terminate();
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
    for (let attempt = 1; ; attempt++) {
      this.#port = this.#options.port ?? (await freePort());
      try {
        return await this.#launch();
      } catch (error) {
        // Between the search for a port and the server's own bind another process may have taken it.
        const isTaken = /EADDRINUSE|address already in use|cannot bind/i.test(this.output());
        if (this.#options.port !== undefined || attempt === 5 || !isTaken) throw error;
      }
    }
  }

  async #launch(): Promise<void> {
    const { name, command, prepare, env, account, timeoutMs, signal } = this.#options;
    const folder = this.#folder.path;
    this.#starts += 1;
    const server = await GuardedProcess.start(command, await prepare(this.#port, folder), {
      outputFile: join(folder, `output-${this.#starts}.log`),
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, ...env?.(this.#port) },
      account,
    });
    this.#process = server;
    const said = () => `It said:\n${server.output({ lines: 30 })}`;
    await waitFor(async () => !server.running || (await this.#isReady()), {
      timeoutMs,
      signal,
      message: () => `${name} to be ready on port ${this.#port}. ${said()}`,
    });
    if (!server.running) throw new Error(`${name} ended before it was ready. ${said()}`);
  }

  async #isReady(): Promise<boolean> {
    const { isReady } = this.#options;
    return isReady ? isReady({ port: this.#port, output: this.output() }) : canConnect(this.#port);
  }
}

/** Whether someone listens on the port of 127.0.0.1. */
async function canConnect(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
