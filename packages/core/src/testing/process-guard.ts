import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { watchdogProgram } from './process-guard-watchdog.js';

/**
 * Ends what this process started, however this process ends.
 *
 * One small detached watchdog process listens to a pipe from this one. When the pipe closes, because this process
 * exited, crashed or was killed with SIGKILL, the watchdog ends the processes and removes the folders it was told of.
 */
export interface ProcessGuard {
  /**
   * Ends the process and its process group when this process is gone.
   *
   * @param signal - tried first; SIGKILL follows after a second.
   */
  holdProcess(pid: number, signal?: NodeJS.Signals): void;
  /** Removes the folder and all in it when this process is gone. */
  holdFolder(path: string): void;
  /** Forgets a process or a folder: it has ended, or is someone else's matter now. */
  release(held: number | string): void;
}

class PipeGuard implements ProcessGuard {
  readonly #pipe: Writable;

  constructor() {
    // A session of its own, so that a Ctrl-C in the terminal does not reach it; no output, so that it holds no pipe open.
    const watchdog = spawn(process.execPath, ['-e', watchdogProgram], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
      env: {},
    });
    watchdog.unref();
    this.#pipe = watchdog.stdin;
    this.#pipe.on('error', () => undefined); // someone killed the watchdog: the run goes on unguarded
    (this.#pipe as Writable & { unref?(): void }).unref?.();
  }

  holdProcess(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#tell(['process', pid, signal]);
  }

  holdFolder(path: string): void {
    this.#tell(['folder', path]);
  }

  release(held: number | string): void {
    this.#tell(['release', held]);
  }

  #tell(line: readonly unknown[]): void {
    this.#pipe.write(`${JSON.stringify(line)}\n`);
  }
}

const slot = Symbol.for('pando.process-guard');

/**
 * The guard of this process; its watchdog starts with the first call.
 *
 * There is one per process and not one per kit, since it stands for the life of the process itself; copies of the
 * library share it.
 */
export function processGuard(): ProcessGuard {
  const holder = globalThis as { [slot]?: ProcessGuard };
  holder[slot] ??= new PipeGuard();
  return holder[slot];
}

/** A fresh folder that is removed when it is disposed, or when this process is gone. */
export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a temporary folder that cannot outlive this process. */
export async function createTemporaryFolder(
  prefix: string,
  parent: string = tmpdir(),
): Promise<TemporaryFolder> {
  const guard = processGuard();
  const path = await mkdtemp(join(parent, prefix));
  guard.holdFolder(path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      guard.release(path);
    },
  };
}
