import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a command to its end and returns what it printed; a failure carries the last lines of its output. */
export async function run(command, args, { cwd, env } = {}) {
  try {
    const { stdout } = await execute(command, args, {
      cwd,
      env: { ...process.env, ...env },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const output = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim().split('\n').slice(-6).join('\n  ');
    throw new Error(`${command} ${args.join(' ')} failed: ${output || error.message}`, { cause: error });
  }
}
