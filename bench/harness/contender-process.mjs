import { Child } from './child.mjs';

const program = new URL('contender.mjs', import.meta.url);

/** One contender in its own process, seen from the process that leads the comparison. */
export class ContenderProcess {
  #child;
  #name;

  constructor(name) {
    this.#name = name;
    this.#child = new Child(program, name);
  }

  /** Builds the contender; the load stays the same for all of its rounds. */
  open(module, settings, load) {
    return this.#child.ask('open', { module, name: this.#name, settings, load });
  }

  round(durationMs) {
    return this.#child.ask('round', { durationMs });
  }

  close() {
    this.#child.close();
  }
}
