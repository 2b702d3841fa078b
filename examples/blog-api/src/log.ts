import type { Logger } from '@pando/core';
import { type LogLevel, logLevels } from './config.js';

/** Where log lines go. */
export type WriteLine = (line: string) => void;

/** Writes log lines to standard error. Any pino logger would do in its place. */
export function createLogger(level: LogLevel, write: WriteLine = console.error): Logger {
  const method = (name: LogLevel) => {
    if (logLevels.indexOf(name) < logLevels.indexOf(level)) return () => undefined;
    return (fields: Record<string, unknown>, message: string) => {
      const pairs = Object.entries(fields).map(([key, value]) => `${key}=${show(value)}`);
      write([new Date().toISOString(), name.toUpperCase(), message, ...pairs].join(' '));
    };
  };
  return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}

function show(value: unknown): string {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}

/** Holds lines back until the app has started: a start that fails is told in one line, by who knows what to do about it. */
export class HeldLines {
  readonly #write: WriteLine;
  #held: string[] | undefined = [];

  constructor(write: WriteLine = console.error) {
    this.#write = write;
  }

  readonly write: WriteLine = (line) => {
    if (this.#held === undefined) this.#write(line);
    else this.#held.push(line);
  };

  release(): void {
    const lines = this.#held ?? [];
    this.#held = undefined;
    for (const line of lines) this.#write(line);
  }
}
