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
  /**
   * Calls `listener` with each error that nobody caught until disposed. While anybody else listens for them, too, they are
   * theirs, and `listener` is not called.
   */
  onUncaught(listener: (error: unknown) => void): Disposable;
  /** Ends the process as an error does that nobody caught: it is printed, and the code is 1. */
  crash(error: unknown): void;
}
