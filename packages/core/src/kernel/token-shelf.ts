import type { Clock } from './clock.js';
import { emptyToken, mergeTokens, type Token } from './token.js';

/** How long tokens are kept, and how long one call may take. */
export interface ShelfBounds {
  readonly lifeMs: number;
  readonly timeoutMs: number;
}

/** Keeps what users have written lately, for those whose requests do not say it. */
export interface TokenShelf {
  /** What is kept of a user. Rejects, within the bound, when that cannot be known. */
  read(user: string, bounds: ShelfBounds): Promise<Token>;
  /** Adds to what is kept; never goes back. Rejects, within the bound, when it is not kept yet: it is tried again then. */
  keep(user: string, token: Token, bounds: ShelfBounds): Promise<void>;
}

/** Keeps tokens in this process, for kits without Redis. */
export function createMemoryShelf(clock: Clock): TokenShelf {
  return new MemoryShelf(clock);
}

/** What is kept of one user. */
interface Kept {
  readonly token: Token;
  readonly endsAt: number;
}

class MemoryShelf implements TokenShelf {
  readonly #clock: Clock;
  /** Nearly in the order in which they end: callers give one life. */
  readonly #users = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async read(user: string): Promise<Token> {
    this.#sweep();
    return this.#users.get(user)?.token ?? emptyToken;
  }

  async keep(user: string, token: Token, { lifeMs }: ShelfBounds): Promise<void> {
    this.#sweep();
    const kept = this.#users.get(user)?.token ?? emptyToken;
    this.#users.delete(user); // it goes to the end
    this.#users.set(user, {
      token: mergeTokens(kept, token),
      endsAt: this.#clock.monotonic() + lifeMs,
    });
  }

  #sweep(): void {
    const now = this.#clock.monotonic();
    for (const [user, { endsAt }] of this.#users) {
      if (endsAt > now) return;
      this.#users.delete(user);
    }
  }
}
