import { AsyncResource } from 'node:async_hooks';
import type { LocalEntry } from './local-entry.js';

const resolved = (value: unknown): Promise<unknown> => Promise.resolve(value);

/**
 * Gives local values as callers wait for them: one promise for all of them, made for the first.
 *
 * A promise holds on to the context in which it was made, ours and that of whoever else follows asynchronous calls. So these
 * are made outside of all requests: otherwise each value would keep a request in memory for as long as it is kept itself.
 */
export class Outcomes {
  readonly #outside = new AsyncResource('PandoCache', { requireManualDestroy: true });

  of(entry: LocalEntry): Promise<unknown> {
    entry.outcome ??= this.#outside.runInAsyncScope(resolved, undefined, entry.value);
    return entry.outcome;
  }
}
