import type { Signalled } from '../../kernel/abort.js';
import { isPandoError } from '../../kernel/errors.js';
import type { RedisFloor } from '../../redis/ports.js';

/** Whether the servers can announce in any slot, as channels in a cluster need it. Found out when it matters, and not for ever: servers are updated. */
export class RedisSlots {
  readonly #floor: Pick<RedisFloor, 'provePlaces'>;
  #isProven = false;
  #obstacle: Error | undefined;

  constructor(floor: Pick<RedisFloor, 'provePlaces'>) {
    this.#floor = floor;
  }

  get isProven(): boolean {
    return this.#isProven;
  }

  /** What they answered last, if it was no. */
  get obstacle(): Error | undefined {
    return this.#obstacle;
  }

  /** Rejects where they cannot, or do not say. */
  async prove(options?: Signalled): Promise<void> {
    if (this.#isProven) return;
    try {
      this.#isProven = await this.#floor.provePlaces(options);
      if (this.#isProven) this.#obstacle = undefined;
    } catch (cause) {
      if (isPandoError(cause, 'PANDO_REDIS_VERSION')) this.#obstacle = cause;
      throw cause;
    }
  }
}
