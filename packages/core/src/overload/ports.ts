/** Listens to how late the event loop is. */
export interface LagMeter extends Disposable {
  /** How late it was since the last call, in ms: nine times out of ten, not later. */
  take(): number;
}

/** Something of this instance that must not be full. Looked at ten times a second; must be cheap. */
export interface OverloadGuard {
  /** What requests are refused for while it is. */
  readonly reason: 'memory' | 'waiting';
  isOver(): boolean;
}
