import { type OptionsReader, readOptions } from '../kernel/options.js';
import { readSchedule, type Schedule } from './schedule.js';

/** When a job is due. */
export type ScheduleOption =
  | {
      /** At every multiple of it since 1970 (UTC), so that all instances mean the same instants. */
      readonly everyMs: number;
    }
  | {
      /** Five fields, or six with seconds in front: `'0 3 * * *'` is every day at three. */
      readonly cron: string;
      /** Where the clock hangs: `'Europe/Berlin'`. Days on which it is changed have each hour once. @defaultValue `'UTC'` */
      readonly timeZone?: string | undefined;
    };

/** How one job differs from others. */
export interface RunOnceOptions {
  /** @defaultValue that of the room */
  readonly leaseMs?: number | undefined;
  /** How late a run may begin, after a time when no instance lived; later, it is left out. @defaultValue however late */
  readonly startWithinMs?: number | undefined;
  /** How often a run is begun whose instance dies each time, before it is left out: a run that kills must not kill them all. @defaultValue `3` */
  readonly maxAttempts?: number | undefined;
}

/** The defaults of {@link RunOnceOptions}. */
export const runOnceDefaults = Object.freeze({ maxAttempts: 3 });

/** What is known of one job. */
export interface JobPlan {
  readonly name: string;
  readonly schedule: Schedule;
  readonly leaseMs: number;
  readonly startWithinMs: number | undefined;
  readonly maxAttempts: number;
}

/** Leases are renewed four times in their length. */
const SHORTEST_LEASE_MS = 400;

/** Checks what is said of one job; throws `PandoOptionsError`. */
export function readJobPlan(
  name: string,
  schedule: ScheduleOption,
  work: unknown,
  options: RunOnceOptions | undefined,
  leaseMs: number,
): JobPlan {
  const given = readOptions('jobs.runOnce', { name, work });
  if (typeof name !== 'string' || !/^[\w.:-]{1,128}$/.test(name)) {
    given.fail('name', 'the name of the job, of 1 to 128 letters, digits, "_", "-", "." or ":"');
  }
  if (typeof work !== 'function') given.fail('work', 'a function');
  const reader = readOptions('jobs.runOnce.options', options);
  const plan = {
    name,
    schedule: readSchedule(readOptions('jobs.runOnce.schedule', schedule)),
    leaseMs: readLease(reader, leaseMs),
    startWithinMs: reader.ms('startWithinMs', undefined),
    maxAttempts: reader.int('maxAttempts', runOnceDefaults.maxAttempts, { min: 1 }),
  };
  reader.done();
  return plan;
}

/** The same for the room and for one job. */
export function readLease(reader: OptionsReader, fallback: number): number {
  return Math.ceil(reader.ms('leaseMs', fallback, { min: SHORTEST_LEASE_MS, max: 86_400_000 }));
}
