import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';

/** Warnings that tell of a defect: a leak of listeners, or what HTTP/2 does not allow. */
const telling: ReadonlySet<string> = new Set(['MaxListenersExceededWarning', 'UnsupportedWarning']);

/** Fails the case during which a rejection was handled by nobody, an exception escaped, or listeners piled up. */
export function forbidStrayErrors(): void {
  const strays: unknown[] = [];
  const note = (cause: unknown): void => void strays.push(cause);
  const noteWarning = (warning: Error): void => {
    if (telling.has(warning.name)) note(warning);
  };
  beforeAll(() => {
    process.on('unhandledRejection', note).on('uncaughtExceptionMonitor', note).on('warning', noteWarning);
  });
  afterEach(async () => {
    await nextTurn(); // rejections are reported once the microtasks are done
    expect(strays.splice(0)).toEqual([]);
  });
  afterAll(() => {
    process.off('unhandledRejection', note).off('uncaughtExceptionMonitor', note).off('warning', noteWarning);
  });
}
