import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { LifecyclePhase } from './phases.js';

/** How an instance takes leave. */
export interface LifecycleOptions {
  /** Signals that begin the shutdown; `false` leaves signals to the application. @defaultValue `['SIGTERM', 'SIGINT']` */
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
});

/** Options with every default filled in and every time made to fit the total. */
export interface ResolvedLifecycleOptions {
  readonly signals: readonly NodeJS.Signals[];
  readonly readinessDelayMs: number;
  readonly phaseMs: Readonly<Record<LifecyclePhase, number>>;
  readonly totalMs: number;
  readonly exit: boolean | undefined;
}

/** Checks the options; throws `PandoOptionsError`. */
export function resolveLifecycleOptions(options: LifecycleOptions = {}): ResolvedLifecycleOptions {
  const reader: OptionsReader = readOptions('lifecycle', options);
  const signals = readSignals(reader);
  const readinessDelayMs = reader.ms('readinessDelayMs', lifecycleDefaults.readinessDelayMs, { min: 0 });
  const intake = reader.ms('intakeMs', lifecycleDefaults.intakeMs);
  const streams = reader.ms('streamsMs', lifecycleDefaults.streamsMs);
  const requests = reader.ms('requestsMs', lifecycleDefaults.requestsMs);
  const rooms = reader.ms('roomsMs', lifecycleDefaults.roomsMs);
  const telemetry = reader.ms('telemetryMs', lifecycleDefaults.telemetryMs);
  const totalMs = reader.ms('totalMs', lifecycleDefaults.totalMs);
  const exit = reader.boolean('exit', undefined);
  reader.done();

  const needed = Math.max(readinessDelayMs, intake) + streams + requests + rooms + telemetry;
  const share = Math.min(1, totalMs / needed);
  return {
    signals,
    readinessDelayMs: readinessDelayMs * share,
    phaseMs: {
      intake: intake * share,
      streams: streams * share,
      requests: requests * share,
      rooms: rooms * share,
      telemetry: telemetry * share,
    },
    totalMs,
    exit,
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
