import { abortable } from '../../kernel/abort.js';
import type { Contexts } from '../../kernel/context.js';
import type { EffectsOptions, EffectsOutcome, EffectsRunner } from '../../kernel/effects.js';
import type { Logger } from '../../kernel/logger.js';
import type { EffectHandlers } from '../api.js';
import type { TransactionEffects } from '../transaction-scope.js';

/** What carries effects out. */
export interface CarrierParts {
  readonly runner: EffectsRunner | undefined;
  readonly handlers: EffectHandlers;
  readonly contexts: Contexts;
  readonly logger: Logger;
}

/** Carries out what a committed transaction wants done: what all clients see first, then the app's own effects. */
export class Carrier {
  readonly #parts: CarrierParts;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
  }

  /** Invalidates and expires, then publishes. */
  async announce(effects: TransactionEffects, options: EffectsOptions): Promise<EffectsOutcome> {
    const { runner } = this.#parts;
    const { tags, expired = [], events } = effects;
    if (tags.length + expired.length + events.length === 0) return { token: options.token, isComplete: true };
    // A row of a newer release, or of a kit that is put together in another way: somebody else can.
    if (runner === undefined) return { token: options.token, isComplete: false };
    return runner({ tags, expired, events }, options);
  }

  /** Calls the app's handlers, one after the other, up to the first that fails; tells how many are done. Never rejects. */
  async handle(
    { named, done = 0 }: TransactionEffects,
    { token, id, signal }: EffectsOptions & { readonly signal: AbortSignal },
  ): Promise<number> {
    const { handlers, contexts, logger } = this.#parts;
    for (const [index, { name, payload }] of named.entries()) {
      if (index < done) continue;
      const effectId = `${id}:${name}:${index}`;
      const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
      if (handler === undefined) {
        logger.error(
          { id, effect: name },
          `effect not carried out: this instance has no handler db.effects.${name}`,
        );
        return index;
      }
      try {
        // Whoever asked may have left long ago; what he wrote is seen all the same.
        const context = contexts.open({ id: effectId, signal, token });
        const handled = contexts.run(context, async () => handler(payload, { id: effectId, token, signal }));
        await abortable(handled, signal);
      } catch (error) {
        logger.error({ id, effect: name, err: error }, 'effect not carried out');
        return index;
      }
    }
    return named.length;
  }
}
