import { createHash } from 'node:crypto';
import type { Kit } from './kit.js';

/** More would be a mistake of the application. */
const maxNames = 16;
/** What was learned once is not forgotten before its answers are. */
const keptMs = 86_400_000;

/**
 * Request headers on which the answers of a route have turned out to depend.
 *
 * They are part of the key of an answer, and only an answer names them. So that a new instance finds at once what the others
 * have stored, they lie in the cache: one in each of the numbered places of a route, taken by who comes first.
 */
export class LearnedNames {
  readonly #kit: Pick<Kit, 'cache' | 'kernel'>;
  readonly #names = new Set<string>();
  /** What is being asked, or told, of a route; undefined when that is done. The application's code bounds the map. */
  readonly #routes = new Map<string, Promise<void> | undefined>();
  readonly #signal = new AbortController().signal;

  constructor(kit: Pick<Kit, 'cache' | 'kernel'>) {
    this.#kit = kit;
  }

  get all(): Iterable<string> {
    return this.#names;
  }

  /** What to wait for before the names of a route are as complete as can be; undefined when they are. Never rejects. */
  of(route: string | undefined): Promise<void> | undefined {
    if (route === undefined) return undefined;
    return this.#routes.has(route) ? this.#routes.get(route) : this.#do(route, () => this.#ask(route));
  }

  /** An answer of a route has named them. */
  learn(route: string | undefined, names: readonly string[]): void {
    const all = names.filter((name) => this.#add(name));
    // Who depends on everything may not do so the next time: that is for nobody else to know.
    const told = all.filter((name) => name !== '*');
    if (route !== undefined && told.length > 0) void this.#do(route, () => this.#tell(route, told));
  }

  /** Whether it was not known. */
  #add(name: string): boolean {
    if (this.#names.has(name) || this.#names.size >= maxNames) return false;
    this.#names.add(name);
    return true;
  }

  async #ask(route: string): Promise<void> {
    for (let place = 0; place < maxNames; place++) {
      const name = await this.#kit.cache.get<string>(keyOf(route, place));
      if (name === undefined) return;
      this.#add(name);
    }
  }

  async #tell(route: string, names: readonly string[]): Promise<void> {
    const untold = new Set(names);
    for (let place = 0; place < maxNames; place++) {
      const [next] = untold;
      if (next === undefined) return;
      const name = await this.#kit.cache.getOrLoad(keyOf(route, place), () => next, { ttlMs: keptMs });
      this.#add(name);
      untold.delete(name);
    }
  }

  /** Does something for a route after what is being done, on behalf of nobody: what a client has seen has no say in it. */
  #do(route: string, work: () => Promise<void>): Promise<void> {
    const { contexts } = this.#kit.kernel;
    const before = this.#routes.get(route) ?? Promise.resolve();
    const context = contexts.open({ id: 'http:vary', signal: this.#signal });
    const doing: Promise<void> = before
      .then(() => contexts.run(context, work))
      .catch(() => undefined) // the cache is closed: each process learns by itself
      .finally(() => {
        if (this.#routes.get(route) === doing) this.#routes.set(route, undefined);
      });
    this.#routes.set(route, doing);
    return doing;
  }
}

function keyOf(route: string, place: number): string {
  return `http:3:vary:${createHash('sha256').update(route).digest('base64url')}:${place}`;
}
