/** What the client finds around it; tests bring their own. */
export interface Environment {
  /** Epoch milliseconds. */
  now(): number;
  /** Milliseconds that never go back. */
  monotonic(): number;
  random(): number;
  /** Calls `run` once after a while; returns what prevents that. */
  after(delayMs: number, run: () => void): () => void;
  /** Calls back when the network is there again; returns what ends that. */
  onOnline(listener: () => void): () => void;
}

type Listen = (type: 'online', listener: () => void) => void;

/** The page, or the process. */
export function findEnvironment(): Environment {
  const { addEventListener, removeEventListener } = globalThis as {
    readonly addEventListener?: Listen;
    readonly removeEventListener?: Listen;
  };
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    random: () => Math.random(),
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    onOnline(listener) {
      addEventListener?.('online', listener);
      return () => removeEventListener?.('online', listener);
    },
  };
}
