import { Cron } from 'croner';
import { messageOf } from '../kernel/errors.js';
import type { OptionsReader } from '../kernel/options.js';

/** When a job is due. */
export interface Schedule {
  /** The first instant after the given one, both epoch ms; undefined when there is none any more. */
  after(at: number): number | undefined;
}

const SHORTEST_MS = 100;
const LONGEST_MS = 366 * 86_400_000;

/** Checks what was said of the schedule; throws `PandoOptionsError`. */
export function readSchedule(reader: OptionsReader): Schedule {
  const pattern = reader.string('cron', undefined);
  const everyMs = reader.ms('everyMs', undefined, { min: SHORTEST_MS, max: LONGEST_MS });
  const timeZone = reader.string('timeZone', undefined);
  reader.done();
  if ((pattern === undefined) === (everyMs === undefined)) {
    reader.fail('everyMs', 'given, or else "cron": one of the two');
  }
  if (pattern === undefined) {
    if (timeZone !== undefined) reader.fail('timeZone', 'absent beside everyMs, which knows no days');
    return new Beat(everyMs as number);
  }
  return readCron(reader, pattern, timeZone ?? 'UTC');
}

function readCron(reader: OptionsReader, pattern: string, timeZone: string): Schedule {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    reader.fail('timeZone', 'a time zone such as "Europe/Berlin"');
  }
  let cron: Cron;
  try {
    cron = new Cron(pattern, { timezone: timeZone, paused: true });
  } catch (cause) {
    return reader.fail('cron', `a pattern such as "0 3 * * *" (${messageOf(cause)})`);
  }
  const schedule = { after: (at: number) => cron.nextRun(new Date(at))?.getTime() };
  if (schedule.after(0) === undefined) reader.fail('cron', 'a pattern that matches some day');
  return schedule;
}

/** Multiples of a period, counted from 1970. */
class Beat implements Schedule {
  readonly #everyMs: number;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  after(at: number): number {
    return (Math.floor(at / this.#everyMs) + 1) * this.#everyMs;
  }
}
