/**
 * A typed emitter whose listeners can never harm the operation that emits.
 *
 * Listeners run synchronously in the order they were added. What a listener throws goes to `onError`.
 */
export class Events<Map extends object> {
  readonly #listeners = new globalThis.Map<keyof Map, Set<(payload: never) => void>>();
  readonly #onError: (cause: unknown) => void;

  constructor(onError: (cause: unknown) => void = () => undefined) {
    this.#onError = onError;
  }

  /** Calls `listener` on each such event until disposed. */
  on<Name extends keyof Map>(name: Name, listener: (payload: Map[Name]) => void): Disposable {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return { [Symbol.dispose]: () => void listeners.delete(listener) };
  }

  /** Hands the payload to each listener. */
  emit<Name extends keyof Map>(name: Name, payload: Map[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as (payload: Map[Name]) => void)(payload);
      } catch (cause) {
        this.#onError(cause);
      }
    }
  }
}
