import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('contender.mjs', import.meta.url));
const patienceMs = 60_000;

/** One contender in its own process, seen from the process that leads the comparison. */
export class ContenderProcess {
  #child;
  #name;
  #answer;

  constructor(name) {
    this.#name = name;
    // What it prints goes to standard error: standard output belongs to the results.
    this.#child = fork(program, { stdio: ['ignore', 2, 2, 'ipc'] });
    this.#child.on('message', ({ result, error }) => {
      if (error === undefined) this.#answer?.resolve(result);
      else this.#answer?.reject(new Error(`${name} failed: ${error}`));
    });
    this.#child.on('exit', (code, signal) => {
      this.#answer?.reject(new Error(`${name} ended in the middle of its work (${signal ?? code}).`));
    });
  }

  /** Builds the contender; the load stays the same for all of its rounds. */
  open(module, settings, load) {
    return this.#ask('open', { module, name: this.#name, settings, load });
  }

  round(durationMs) {
    return this.#ask('round', { durationMs });
  }

  close() {
    this.#child.kill('SIGKILL');
  }

  async #ask(method, params) {
    const late = () => this.#answer.reject(new Error(`${this.#name} did not end its ${method} in time.`));
    const timer = setTimeout(late, patienceMs + (params.durationMs ?? 0));
    try {
      return await new Promise((resolve, reject) => {
        this.#answer = { resolve, reject };
        this.#child.send({ method, params });
      });
    } finally {
      clearTimeout(timer);
    }
  }
}
