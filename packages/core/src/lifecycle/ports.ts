/** Where requests to end come from. */
export interface SignalSource {
  /** Calls `listener` on each such signal until disposed; while anybody listens, the signal's default effect is off. */
  on(signal: NodeJS.Signals, listener: () => void): Disposable;
}

/** The process that everything runs in. */
export interface HostProcess {
  /** Keeps the process alive until disposed, even when nothing else does. */
  hold(): Disposable;
  /** Ends the process at once. */
  exit(code: number): void;
}
