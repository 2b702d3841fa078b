/** Listens to how late the event loop is. */
export interface LagMeter extends Disposable {
  /** How late it was since the last call, in ms: nine times out of ten, not later. */
  take(): number;
}

/** Watches the turns of the event loop. */
export interface LoopWatch {
  /** How long the loop has had nothing to do, of all its life, in ms. */
  restedMs(): number;
  /** Calls the listener when the turn under way is over; one that begins with a rest is not over before somebody has ended that. */
  afterTurn(listener: () => void): Disposable;
}

/** Something of this instance that must not be full. Looked at ten times a second; must be cheap. */
export interface OverloadGuard {
  /** What requests are refused for while it is. */
  readonly reason: 'memory' | 'waiting';
  isOver(): boolean;
}
