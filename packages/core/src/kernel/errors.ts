/** Marks Pando errors across copies of the library; `instanceof` fails when two copies are loaded. */
const brand: unique symbol = Symbol.for('pando.error') as never;

/** What every Pando error is made of. */
export interface PandoErrorInit {
  /** Stable identifier, `PANDO_<ROOM>_<WHAT>`; never reused for another condition. */
  readonly code: string;
  /** What happened, to which thing, and what to do about it. */
  readonly message: string;
  readonly cause?: unknown;
  /** Whether the same call may succeed later without a change by the caller. @defaultValue `false` */
  readonly retryable?: boolean | undefined;
  /** The HTTP status an adapter answers with when the error reaches it. */
  readonly status?: number | undefined;
}

/**
 * The base of all errors that Pando throws.
 *
 * Compare `code`, or use {@link isPandoError}; do not rely on `instanceof` in code that may load
 * Pando twice.
 */
export class PandoError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly status: number | undefined;
  constructor(init: PandoErrorInit) {
    super(init.message, init.cause === undefined ? {} : init); // a cause is shown even if it is undefined
    this.code = init.code;
    this.retryable = init.retryable ?? false;
    this.status = init.status;
  }

  get [brand](): true {
    return true;
  }

  /** The same as `status`, by the name that many error handlers ask for. */
  get statusCode(): number | undefined {
    return this.status;
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/**
 * An option is missing, unknown, of the wrong type or out of range. Thrown at construction, before anything is opened.
 *
 * Read the message: it names the option by its full path, what it must be, and the nearest name or value. The code
 * says whose options they are: `PANDO_OPTIONS` the kit's, `PANDO_CACHE_OPTIONS` the cache's.
 */
export class PandoOptionsError extends PandoError {}

/**
 * The thing was closed before or during the call.
 *
 * Stop using it before `close()`, or create a new one. During a shutdown this is the end of work that came too late:
 * let it fail.
 */
export class ClosedError extends PandoError {
  constructor(what: string) {
    super({
      code: 'PANDO_CLOSED',
      message: `${what} is closed. Create a new one, or stop using it before close().`,
      status: 503,
    });
  }
}

/** Tells whether a value is a Pando error, optionally one with the given code, also across copies of the library. */
export function isPandoError(value: unknown, code?: string): value is PandoError {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as Partial<PandoError>)[brand] === true &&
    (code === undefined || (value as PandoError).code === code)
  );
}

/** The message of anything that was thrown; for log lines and for messages that quote a cause. */
export function messageOf(cause: unknown): string {
  // pg and ioredis report a refused connection to a name with several addresses as an AggregateError without a message.
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(messageOf).join('; ');
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
