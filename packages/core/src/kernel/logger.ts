/** One level of a logger: fields first, then the message, as pino does. */
export type LogMethod = (fields: Record<string, unknown>, message: string) => void;

/** Where Pando writes log lines. A pino logger is one as it is. */
export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

const silent: LogMethod = () => undefined;

/** Writes nothing. */
export const noopLogger: Logger = Object.freeze({ debug: silent, info: silent, warn: silent, error: silent });
