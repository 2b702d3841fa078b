/** Where requests to end come from. */
export interface SignalSource {
  /** Calls `listener` on each such signal until disposed; while anybody listens, the signal's default effect is off. */
  on(signal: NodeJS.Signals, listener: () => void): Disposable;
}

/** How the process ends. */
export interface ProcessExit {
  /** Ends the process at once. */
  exit(code: number): void;
}
