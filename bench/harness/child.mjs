import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const patienceMs = 60_000;

/** A process that does what it is asked, seen from the one that asks. Its program calls {@link serve}. */
export class Child {
  #child;
  #name;
  #asked = new Map();
  #questions = 0;
  /** Its exit code, or the signal that ended it. */
  ended;

  /** `program` is the URL of a module; `name` is for messages. */
  constructor(program, name) {
    this.#name = name;
    // What it prints goes to standard error: standard output belongs to the results.
    this.#child = fork(fileURLToPath(program), { stdio: ['ignore', 2, 2, 'ipc'] });
    this.#child.on('message', ({ id, result, error }) => {
      if (error === undefined) this.#asked.get(id)?.resolve(result);
      else this.#asked.get(id)?.reject(new Error(`${name} failed: ${error}`));
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve(signal ?? code));
    });
    this.#child.on('exit', (code, signal) => {
      const ended = new Error(`${name} ended in the middle of its work (${signal ?? code}).`);
      for (const { reject } of this.#asked.values()) reject(ended);
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /** Calls one of the program's methods. */
  async ask(method, params) {
    const id = ++this.#questions;
    const late = () =>
      this.#asked.get(id).reject(new Error(`${this.#name} did not end its ${method} in time.`));
    const timer = setTimeout(late, patienceMs + (params?.durationMs ?? 0));
    try {
      return await new Promise((resolve, reject) => {
        this.#asked.set(id, { resolve, reject });
        this.#child.send({ id, method, params });
      });
    } finally {
      clearTimeout(timer);
      this.#asked.delete(id);
    }
  }

  close() {
    this.#child.kill('SIGKILL');
  }
}

/** Does in this process what the one that started it asks for. */
export function serve(methods) {
  // Whoever started this process is gone: nothing here is worth an orderly end.
  process.on('disconnect', () => process.exit());
  process.on('message', ({ id, method, params }) => {
    methods[method](params).then(
      (result) => process.send({ id, result }),
      (error) => process.send({ id, error: error.stack }),
    );
  });
}
