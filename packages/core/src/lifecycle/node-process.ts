import type { HostProcess, SignalSource } from './ports.js';

/** The signals of this process. */
export const nodeSignals: SignalSource = Object.freeze({
  on(signal: NodeJS.Signals, listener: () => void): Disposable {
    process.on(signal, listener);
    return { [Symbol.dispose]: () => void process.off(signal, listener) };
  },
});

/** Marks the listeners of this file, so that several kits in one process do not take one another for the application. */
const ours = Symbol.for('pando.lifecycle.uncaught');

/** This process. */
export const nodeProcess: HostProcess = Object.freeze({
  hold(): Disposable {
    const timer = setInterval(() => undefined, 1_000_000);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
  exit: (code: number) => process.exit(code),
  onUncaught(listener: (error: unknown) => void): Disposable {
    const onError = Object.assign(
      (error: unknown) => {
        const isOthers = process.listeners('uncaughtException').some((other) => !(ours in other));
        if (!isOthers) listener(error);
      },
      { [ours]: true },
    );
    process.on('uncaughtException', onError);
    return { [Symbol.dispose]: () => void process.off('uncaughtException', onError) };
  },
  crash(error: unknown): void {
    for (const listener of process.listeners('uncaughtException')) {
      if (ours in listener) process.off('uncaughtException', listener);
    }
    // Out of the promise, and before Node ends of a rejection that came of it: what is printed is the first error.
    process.nextTick(() => {
      throw error;
    });
  },
});
