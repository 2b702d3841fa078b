import type { HostProcess, SignalSource } from './ports.js';

/** The signals of this process. */
export const nodeSignals: SignalSource = Object.freeze({
  on(signal: NodeJS.Signals, listener: () => void): Disposable {
    process.on(signal, listener);
    return { [Symbol.dispose]: () => void process.off(signal, listener) };
  },
});

/** This process. */
export const nodeProcess: HostProcess = Object.freeze({
  hold(): Disposable {
    const timer = setInterval(() => undefined, 1_000_000);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
  exit: (code: number) => process.exit(code),
});
