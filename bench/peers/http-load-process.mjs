/** The process that asks a server over HTTP: its own CPU time shows in nobody's figures. */
import { connect } from 'node:net';
import { serve } from '../harness/child.mjs';

const request = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';
const headEnd = '\r\n\r\n';
let lanes = [];

serve({
  /** Opens connections that are kept alive. */
  async open({ port, connections }) {
    lanes = await Promise.all(Array.from({ length: connections }, () => Lane.open(port)));
  },

  /** Asks so often, over all connections at once; every answer must have that status. */
  async fire({ count, status }) {
    let left = count;
    const work = async (lane) => {
      while (left-- > 0) await lane.ask(status);
    };
    const awake = stayAwake();
    await Promise.all(lanes.map(work)).finally(() => clearImmediate(awake.immediate));
  },
});

/**
 * Keeps this process busy: whoever writes to one that sleeps pays for waking it, on a virtual machine more than for the write
 * itself, and only a server that is slower than its clients finds them asleep.
 */
function stayAwake() {
  const awake = {};
  const spin = () => {
    awake.immediate = setImmediate(spin);
  };
  spin();
  return awake;
}

/** One connection: the next request leaves when the last answer has come. */
class Lane {
  #socket;
  #text = '';
  #waiting;

  constructor(socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (chunk) => this.#read(chunk));
    socket.on('close', () => this.#waiting?.reject(new Error('The server closed a connection.')));
  }

  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Lane(socket)));
      socket.setNoDelay(true).on('error', reject);
    });
  }

  ask(status) {
    return new Promise((resolve, reject) => {
      this.#waiting = { status, resolve, reject };
      this.#socket.write(request);
    });
  }

  #read(chunk) {
    this.#text += chunk;
    const end = this.#text.indexOf(headEnd);
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1]);
    if (this.#text.length < end + headEnd.length + length) return;
    const { status, resolve, reject } = this.#waiting;
    const given = Number(this.#text.slice(9, 12));
    this.#text = '';
    if (given === status) resolve();
    else reject(new Error(`Answered with ${given} instead of ${status}.`));
  }
}
