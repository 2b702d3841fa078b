import { isPandoError } from '../kernel/errors.js';
import { type ExitCode, exitCodeOf } from './doctor/diagnosis.js';
import { diagnose } from './doctor/doctor.js';
import { reportJson, reportText } from './doctor/report.js';
import { readRequest, usage } from './doctor/request.js';

/** Where a command writes. */
export interface Console {
  /** What was asked for. */
  write(text: string): void;
  /** What went wrong. */
  complain(text: string): void;
  readonly isColoured: boolean;
}

/** Runs `pando …` and says what the process is to end with. */
export async function runCli(args: readonly string[], console: Console): Promise<ExitCode> {
  const [command, ...rest] = args;
  if (command === 'doctor') return doctor(rest, console);
  if (command === undefined || command === '--help' || command === '-h') {
    console.write(usage);
    return command === undefined ? 2 : 0;
  }
  console.complain(`pando: there is no command "${command}". There is: pando doctor\n`);
  return 2;
}

async function doctor(args: readonly string[], console: Console): Promise<ExitCode> {
  try {
    const request = readRequest(args);
    if (request.isHelp) {
      console.write(usage);
      return 0;
    }
    const diagnosis = await diagnose(request);
    console.write(request.isJson ? reportJson(diagnosis) : reportText(diagnosis, console.isColoured));
    return exitCodeOf(diagnosis);
  } catch (cause) {
    if (!isPandoError(cause)) throw cause;
    console.complain(`pando doctor: ${cause.message}\n`);
    return 2;
  }
}
