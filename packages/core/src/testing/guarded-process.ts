import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Signalled } from '../kernel/abort.js';
import { abortable } from '../kernel/abort.js';
import { processGuard } from './process-guard.js';
import { descendantsOf, sendSignal } from './process-tree.js';

/** How to start a {@link GuardedProcess}. */
export interface GuardedProcessOptions {
  /** Receives everything the process prints. A file and not a pipe: a full pipe would block the process. */
  readonly outputFile: string;
  readonly cwd?: string | undefined;
  /** The whole environment of the process. @defaultValue the environment of this one */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Runs the process as another user; only root may ask for it. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  /** What the watchdog sends first when this process is gone. @defaultValue `'SIGKILL'` */
  readonly lastSignal?: NodeJS.Signals | undefined;
}

/** How a process ended: with an exit code, or by a signal. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * A child process that cannot outlive this one, and that a test can freeze, thaw and kill.
 *
 * It leads a process group of its own and does not keep this process alive.
 */
export class GuardedProcess {
  readonly pid: number;
  /** Settles when the process has ended; never rejects. */
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;
  readonly #outputFile: string;
  #frozen: readonly number[] = [];

  private constructor(child: ChildProcess, pid: number, outputFile: string) {
    this.#child = child;
    this.#outputFile = outputFile;
    this.pid = pid;
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        processGuard().release(pid);
        resolve({ code, signal });
      });
    });
  }

  /** Starts the program. Rejects when it cannot be executed; that it is ready is for the caller to find out. */
  static async start(
    command: string,
    args: readonly string[],
    options: GuardedProcessOptions,
  ): Promise<GuardedProcess> {
    const guard = processGuard();
    const output = openSync(options.outputFile, 'a');
    try {
      const child = spawn(command, args, {
        detached: true,
        stdio: ['ignore', output, output],
        cwd: options.cwd,
        env: options.env,
        uid: options.account?.uid,
        gid: options.account?.gid,
      });
      if (child.pid !== undefined) guard.holdProcess(child.pid, options.lastSignal);
      child.unref();
      await once(child, 'spawn'); // rejects with the child's 'error'
      return new GuardedProcess(child, child.pid as number, options.outputFile);
    } finally {
      closeSync(output);
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What the process has printed so far: the whole, or the last lines. */
  output({ lines }: { readonly lines?: number | undefined } = {}): string {
    const text = readFileSync(this.#outputFile, 'utf8').trimEnd();
    return lines === undefined ? text : text.split('\n').slice(-lines).join('\n');
  }

  /** Sends a signal to the process alone. */
  signal(signal: NodeJS.Signals): void {
    if (this.running) sendSignal(this.pid, signal);
  }

  /** Stops the process and all its descendants where they are: sockets stay open, nobody answers. */
  freeze(): void {
    if (!this.running || this.#frozen.length > 0) return;
    const guard = processGuard();
    const stopped = new Set([this.pid]);
    sendSignal(this.pid, 'SIGSTOP'); // first, so that it starts no more children
    for (let fresh = descendantsOf(this.pid); fresh.length > 0; ) {
      for (const pid of fresh) {
        sendSignal(pid, 'SIGSTOP');
        guard.holdProcess(pid); // a stopped process hears nothing but SIGKILL, not even that its parent died
        stopped.add(pid);
      }
      fresh = descendantsOf(this.pid).filter((pid) => !stopped.has(pid));
    }
    this.#frozen = [...stopped];
  }

  /** Lets everything that {@link freeze} stopped go on. */
  thaw(): void {
    for (const pid of this.#frozen.toReversed()) sendSignal(pid, 'SIGCONT');
    this.#forgetFrozen();
  }

  /** SIGKILL to the process and all its descendants, as when the machine loses power; resolves when the process is gone. */
  async kill({ signal }: Signalled = {}): Promise<void> {
    if (!this.running) return;
    this.#child.ref();
    const all = [this.pid, ...descendantsOf(this.pid)];
    for (const pid of all) sendSignal(pid, 'SIGKILL');
    this.#forgetFrozen();
    await abortable(this.exited, signal);
  }

  /** Asks the process to end, kills it when it has not within `timeoutMs`, and resolves with how it ended. */
  async end(
    request: NodeJS.Signals = 'SIGTERM',
    { timeoutMs = 10_000, signal }: Signalled & { readonly timeoutMs?: number | undefined } = {},
  ): Promise<ProcessExit> {
    this.thaw();
    this.signal(request);
    const timer = setTimeout(() => void this.kill(), timeoutMs);
    try {
      return await abortable(this.exited, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #forgetFrozen(): void {
    const guard = processGuard();
    for (const pid of this.#frozen) if (pid !== this.pid) guard.release(pid);
    this.#frozen = [];
  }
}
