import type { Logger } from '@pando/core';
import { type LogLevel, logLevels } from './config.js';

/** Writes log lines to standard error. Any pino logger would do in its place. */
export function createLogger(level: LogLevel, write: (line: string) => void = console.error): Logger {
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
