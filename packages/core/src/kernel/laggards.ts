import type { Token } from './token.js';

/** Parts of the fleet that may be behind a write: replicas of a database, copies in the memory of other instances. */
export interface LaggardSource {
  /**
   * Resolves when whoever asks without a token is served nothing older than this one. Never does where that cannot be known.
   * Rejects with the signal's reason.
   */
  caughtUp(token: Token, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** All of them, of one kit: for whoever tells clients of a write that return no token. */
export interface Laggards extends LaggardSource {
  /** Takes one more in, until it is disposed. */
  add(source: LaggardSource): Disposable;
}

/** Begins without any. */
export function createLaggards(): Laggards {
  const sources = new Set<LaggardSource>();
  return {
    add(source) {
      sources.add(source);
      return { [Symbol.dispose]: () => void sources.delete(source) };
    },
    async caughtUp(token, options) {
      await Promise.all([...sources].map((source) => source.caughtUp(token, options)));
    },
  };
}
