import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { LifecyclePhase } from './phases.js';

/** How an instance takes leave. */
export interface LifecycleOptions {
  /**
   * Signals that begin the shutdown; `false` leaves signals, and errors that nobody caught, to the application.
   *
   * @defaultValue `['SIGTERM', 'SIGINT']`
   */
  readonly signals?: false | readonly NodeJS.Signals[] | undefined;
  /**
   * How long the instance goes on serving while readiness already says no: longer than the balancer needs to notice.
   * Left out when the instance never was ready. @defaultValue `5_000`
   */
  readonly readinessDelayMs?: number | undefined;
  /** For what stops fetching work; runs beside the readiness delay. @defaultValue `1_000` */
  readonly intakeMs?: number | undefined;
  /** For long-lived connections. @defaultValue `8_000` */
  readonly streamsMs?: number | undefined;
  /** For requests that are still being answered. @defaultValue `7_000` */
  readonly requestsMs?: number | undefined;
  /** For rooms to close. @defaultValue `3_000` */
  readonly roomsMs?: number | undefined;
  /** For metrics and logs to be flushed. @defaultValue `2_000` */
  readonly telemetryMs?: number | undefined;
  /**
   * The end of it all: keep it below the time after which the platform kills. When the phases need longer together,
   * all of them shrink in proportion. @defaultValue `25_000`
   */
  readonly totalMs?: number | undefined;
  /**
   * How long a shutdown may take that began with an error that nobody caught: requests of others are finished, without a
   * readiness delay, and then the process ends as Node would have ended it at once, with the error printed and code 1. `false`
   * leaves that to Node. So does whoever listens to `uncaughtException`, signals that are left to the application, and `exit: false`.
   *
   * @defaultValue `5_000`
   */
  readonly uncaughtMs?: number | false | undefined;
  /**
   * Whether the process exits at the end: code 0, or 1 when a hook failed or hung. Left out: when a signal began the
   * shutdown, and only then.
   */
  readonly exit?: boolean | undefined;
}

/** The defaults. */
export const lifecycleDefaults = Object.freeze({
  signals: Object.freeze<NodeJS.Signals[]>(['SIGTERM', 'SIGINT']),
  readinessDelayMs: 5_000,
  intakeMs: 1_000,
  streamsMs: 8_000,
  requestsMs: 7_000,
  roomsMs: 3_000,
  telemetryMs: 2_000,
  totalMs: 25_000,
  uncaughtMs: 5_000,
});

/** How long the parts of a shutdown may take, made to fit the total. */
export interface ShutdownTimes {
  readonly readinessDelayMs: number;
  readonly phaseMs: Readonly<Record<LifecyclePhase, number>>;
  readonly totalMs: number;
}

/** Options with every default filled in. */
export interface ResolvedLifecycleOptions {
  readonly signals: readonly NodeJS.Signals[];
  readonly times: ShutdownTimes;
  /** The same for a shutdown that began with an error that nobody caught; undefined when these are not ours. */
  readonly uncaught: ShutdownTimes | undefined;
  readonly exit: boolean | undefined;
}

/** Checks the options; throws `PandoOptionsError`. */
export function resolveLifecycleOptions(options: LifecycleOptions = {}): ResolvedLifecycleOptions {
  const reader: OptionsReader = readOptions('lifecycle', options);
  const signals = readSignals(reader);
  const readinessDelayMs = reader.ms('readinessDelayMs', lifecycleDefaults.readinessDelayMs, { min: 0 });
  const phaseMs = {
    intake: reader.ms('intakeMs', lifecycleDefaults.intakeMs),
    streams: reader.ms('streamsMs', lifecycleDefaults.streamsMs),
    requests: reader.ms('requestsMs', lifecycleDefaults.requestsMs),
    rooms: reader.ms('roomsMs', lifecycleDefaults.roomsMs),
    telemetry: reader.ms('telemetryMs', lifecycleDefaults.telemetryMs),
  };
  const totalMs = reader.ms('totalMs', lifecycleDefaults.totalMs);
  const uncaughtMs = reader.msOrFalse('uncaughtMs', lifecycleDefaults.uncaughtMs);
  const exit = reader.boolean('exit', undefined);
  reader.done();

  const isOurs = signals.length > 0 && exit !== false && uncaughtMs !== false;
  return {
    signals,
    times: shrink({ readinessDelayMs, phaseMs, totalMs }),
    uncaught: isOurs
      ? shrink({ readinessDelayMs: 0, phaseMs, totalMs: Math.min(uncaughtMs, totalMs) })
      : undefined,
    exit,
  };
}

/** Shrinks all times in proportion when they need longer than the total. */
function shrink({ readinessDelayMs, phaseMs, totalMs }: ShutdownTimes): ShutdownTimes {
  const { intake, streams, requests, rooms, telemetry } = phaseMs;
  const needed = Math.max(readinessDelayMs, intake) + streams + requests + rooms + telemetry;
  const share = Math.min(1, totalMs / needed);
  return {
    readinessDelayMs: readinessDelayMs * share,
    phaseMs: {
      intake: intake * share,
      streams: streams * share,
      requests: requests * share,
      rooms: rooms * share,
      telemetry: telemetry * share,
    },
    totalMs,
  };
}

function readSignals(reader: OptionsReader): readonly NodeJS.Signals[] {
  const signals = reader.any('signals');
  if (signals === undefined) return lifecycleDefaults.signals;
  if (signals === false) return [];
  const valid = Array.isArray(signals) && signals.every((signal) => /^SIG[A-Z0-9]+$/.test(String(signal)));
  if (!valid || signals.includes('SIGKILL') || signals.includes('SIGSTOP')) {
    reader.fail('signals', 'false or a list of signals that can be caught, such as ["SIGTERM"]');
  }
  return [...signals];
}
