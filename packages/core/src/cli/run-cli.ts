import { isPandoError, messageOf } from '../kernel/errors.js';
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
  /** Characters in a line. @defaultValue `80` */
  readonly columns?: number | undefined;
}

/** Runs `pando …` and says what the process is to end with. */
export async function runCli(args: readonly string[], console: Console): Promise<ExitCode> {
  const [command, ...rest] = args;
  if (command === 'doctor') return doctor(rest, console);
  if (command === undefined || command === '--help' || command === '-h') {
    console.write(usage);
    return command === undefined ? 2 : 0;
  }
  console.complain('pando: the command is: pando doctor\n'); // and not what was given: it may be a URL
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
    console.write(
      request.isJson
        ? reportJson(diagnosis)
        : reportText(diagnosis, { isColoured: console.isColoured, columns: console.columns ?? 80 }),
    );
    return exitCodeOf(diagnosis);
  } catch (cause) {
    // 1 would say that something is wrong with the app.
    const what = isPandoError(cause) ? cause.message : `it failed itself: ${messageOf(cause)}`;
    console.complain(`pando doctor: ${what}\n`);
    return 2;
  }
}
