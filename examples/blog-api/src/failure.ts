import { isPandoError } from '@pando/core';
import { ConfigError } from './config.js';

/** Why the app cannot start: one line for whatever can be mended from outside, the whole story for our own mistakes. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError || isPandoError(error)) return oneLine(error.message);
  if (isDatabaseError(error)) return oneLine(`the database refused to be set up: ${error.message}`);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** What Postgres says has a severity; no other error has. */
function isDatabaseError(error: unknown): error is Error {
  return error instanceof Error && 'severity' in error;
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ');
