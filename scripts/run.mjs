/** Running other programs: inherit the terminal, forward signals, and never swallow an exit code. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '');

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Runs a program to its end, passes our signals on to it, and returns its exit code as a shell would report it. */
export async function runToExit(command, args, options = {}) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
  let interrupted = false;
  const interrupt = (signal) => {
    interrupted = true;
    // At a terminal, Ctrl-C reaches the whole process group by itself: passing it on would deliver it twice.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of signals) process.on(signal, interrupt);
  const watch = watchParent(() => interrupt('SIGTERM'));
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status, signal) => resolve(status ?? 128 + constants.signals[signal]));
    });
    if (interrupted) throw new Interrupted(code);
    return code;
  } finally {
    clearInterval(watch);
    for (const signal of signals) process.off(signal, interrupt);
  }
}

/** Calls `gone` when npm was told to stop: it tells only the shell between it and us, which dies without a word. */
function watchParent(gone) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    gone();
  }, 200);
  return watch;
}

/** The same, for programs that must succeed. */
export async function run(command, args, options) {
  const code = await runToExit(command, args, options);
  if (code !== 0) throw new CommandFailed(`${command} ${args.join(' ')}`, code);
}

/** A program that had to succeed did not. */
export class CommandFailed extends Error {
  constructor(command, code) {
    super(`\`${command}\` ended with exit code ${code}.`);
    this.code = code;
  }
}

/** We were told to stop while a program ran; it ended with this code, and nothing more is to be done. */
export class Interrupted extends Error {
  constructor(code) {
    super('Interrupted.');
    this.code = code;
  }
}

/** Runs a script's main function: an error becomes one readable message and a non-zero exit code. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      process.exitCode = error.code;
    } else {
      console.error(error instanceof CommandFailed ? error.message : error);
      process.exitCode = (error instanceof CommandFailed && error.code) || 1;
    }
  }
}
