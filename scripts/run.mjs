/** Running other programs: inherit the terminal, forward signals, and never swallow an exit code. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '');

// At a terminal, Ctrl-C reaches the whole process group by itself: forwarding it would deliver it twice.
const forwarded = ['SIGTERM', 'SIGHUP', 'SIGINT'];
const passed = process.stdin.isTTY ? forwarded.slice(0, 2) : forwarded;

/** Runs a program to its end, forwards our signals to it, and returns its exit code as a shell would report it. */
export async function runToExit(command, args, options = {}) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
  const forward = (signal) => passed.includes(signal) && child.kill(signal);
  for (const signal of forwarded) process.on(signal, forward);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
    });
  } finally {
    for (const signal of forwarded) process.off(signal, forward);
  }
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

/** Runs a script's main function: an error becomes one readable message and a non-zero exit code. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    console.error(error instanceof CommandFailed ? error.message : error);
    process.exitCode = (error instanceof CommandFailed && error.code) || 1;
  }
}
