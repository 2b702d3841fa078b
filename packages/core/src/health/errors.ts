import { PandoError } from '../kernel/errors.js';

/** A check did not end in time; the reason in its signal. */
export class CheckTimeoutError extends PandoError {
  constructor(name: string, timeoutMs: number) {
    super({
      code: 'PANDO_HEALTH_CHECK_TIMEOUT',
      message: `The health check "${name}" took longer than ${timeoutMs} ms. Make it end when its signal aborts, or raise its timeoutMs.`,
      retryable: true,
    });
  }
}
