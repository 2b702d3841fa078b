import { isPandoError } from '@pando/core';

/** The app cannot start, and it can be mended from outside. The message says how. */
export class StartError extends Error {}

/** Why the app cannot start: one line for whatever can be mended from outside, the whole story for our own mistakes. */
export function explain(error: unknown): string {
  if (error instanceof StartError || isPandoError(error)) return oneLine(error.message);
  if (isDatabaseError(error)) return oneLine(`the database refused to be set up: ${error.message}`);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** What Postgres says has a severity; no other error has. */
function isDatabaseError(error: unknown): error is Error {
  return error instanceof Error && 'severity' in error;
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ');
