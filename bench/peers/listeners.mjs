import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pin } from '../harness/pin.mjs';

const program = fileURLToPath(new URL('listener-process.mjs', import.meta.url));

/** Many clients of one server, in a process of their own on a core of its own, seen from the server's process. */
export class Listeners {
  #waiting = [];

  constructor(child) {
    child.on('message', ({ received }) => this.#arrived(received));
    child.on('exit', (code) => {
      console.error(`The listeners ended (${code}).`);
      process.exit(1);
    });
  }

  /** Opens the server on a free port; resolves once every client has the head of its answer. `hello`: what each says then. */
  static async connect({ server, path, isWebSocket, hello, count }) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    const child = fork(program, [], { stdio: ['ignore', 2, 2, 'ipc'] });
    pin(process.pid, 0);
    pin(child.pid, 1);
    child.send({ port, path, isWebSocket, hello, count });
    await once(child, 'message');
    return new Listeners(child);
  }

  /** Resolves when, on average, each client has that many messages: when the last was the last one, each has them all. */
  received(messages) {
    return new Promise((resolve) => this.#waiting.push({ messages, resolve }));
  }

  #arrived(messages) {
    while (this.#waiting.length > 0 && this.#waiting[0].messages <= messages) this.#waiting.shift().resolve();
  }
}
