import type { Clock } from '../kernel/clock.js';

/** A way from tab to tab. */
export interface Bus {
  post(data: unknown): void;
  close(): void;
}

/** What the client finds around it; tests bring their own. */
export interface Environment {
  readonly clock: Pick<Clock, 'after' | 'monotonic' | 'now'>;
  random(): number;
  /** Resolves when `hold`'s promise does. Absent where tabs cannot agree who holds the connection. */
  readonly lock:
    | ((name: string, signal: AbortSignal, hold: () => Promise<void>) => Promise<void>)
    | undefined;
  openBus(name: string, onData: (data: never) => void): Bus;
  /** Calls back when the network is there again; returns what ends that. */
  onOnline(listener: () => void): () => void;
}

interface Locks {
  request(name: string, options: { signal: AbortSignal }, hold: () => Promise<void>): Promise<void>;
}

/** The page, or the process. */
export function findEnvironment(): Environment {
  const { navigator, addEventListener, removeEventListener } = globalThis as {
    navigator?: { readonly locks?: Locks };
    addEventListener?: (type: string, listener: () => void) => void;
    removeEventListener?: (type: string, listener: () => void) => void;
  };
  const locks = navigator?.locks;
  return {
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      after(delayMs, run) {
        const timer = setTimeout(run, delayMs);
        return { [Symbol.dispose]: () => clearTimeout(timer) };
      },
    },
    random: () => Math.random(),
    lock: locks && ((name, signal, hold) => locks.request(name, { signal }, hold)),
    openBus(name, onData) {
      const bus = new BroadcastChannel(name);
      bus.onmessage = (event) => onData(event.data as never);
      return { post: (data) => bus.postMessage(data), close: () => bus.close() };
    },
    onOnline(listener) {
      addEventListener?.('online', listener);
      return () => removeEventListener?.('online', listener);
    },
  };
}
