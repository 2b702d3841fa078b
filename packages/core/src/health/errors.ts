import { PandoError } from '../kernel/errors.js';

/**
 * A health check did not end in time. It is the reason in the check's signal, and counts as a bad look at the
 * component.
 *
 * Make the check end when its `signal` aborts, make it cheaper, or raise its `timeoutMs`.
 */
export class CheckTimeoutError extends PandoError {
  constructor(name: string, timeoutMs: number) {
    super({
      code: 'PANDO_HEALTH_CHECK_TIMEOUT',
      message: `The health check "${name}" took longer than ${timeoutMs} ms. Make it end when its signal aborts, or raise its timeoutMs.`,
      retryable: true,
    });
  }
}

/**
 * An answer was asked for about a group of components that the options do not define.
 *
 * Add the group to `health.groups`, or correct its name.
 */
export class UnknownGroupError extends PandoError {
  constructor(name: string, known: readonly string[]) {
    super({
      code: 'PANDO_HEALTH_UNKNOWN_GROUP',
      message: `health.groups has no "${name}". It has ${known.join(', ') || 'none'}.`,
    });
  }
}
