/** A client of each library: what it has heard, and whether it was told that something is missing. */
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';

/** A stream of events, as a browser reads it. */
class Stream {
  heard = [];
  /** Whether the server has said that something may be missing. */
  isTold = false;
  #lastId;
  #request;
  #response;

  async open(port, path) {
    const position = this.#lastId === undefined ? {} : { 'last-event-id': this.#lastId };
    const headers = { accept: 'text/event-stream', ...position };
    this.#request = request({ host: '127.0.0.1', port, path, headers, agent: false });
    this.#response = await new Promise((resolve, reject) => {
      this.#request.on('response', resolve).on('error', reject).end();
    });
    let text = '';
    this.#response.setEncoding('utf8').on('error', () => undefined);
    this.#response.on('data', (part) => {
      const blocks = (text + part).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) this.#read(block);
    });
  }

  pause() {
    this.#response.pause(); // stops the socket, too, when a few kilobytes wait
  }

  cut() {
    this.#request.on('error', () => undefined).destroy();
  }

  #read(block) {
    const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s)));
    if (fields.id !== undefined) this.#lastId = fields.id;
    if (fields.event === 'reset') this.isTold = true;
    else if (fields.event === undefined && fields.data !== undefined) this.hear(JSON.parse(fields.data));
  }

  hear(event) {
    this.heard.push(event.n);
  }
}

class PandoClient extends Stream {
  #channel;

  constructor(channel) {
    super();
    this.#channel = channel;
  }

  connect(port) {
    return this.open(port, `/events?channel=${this.#channel}`);
  }
}

/** Subscribes with a second request, which names the stream. */
class TransmitClient extends Stream {
  id;
  #channel;

  constructor(channel) {
    super();
    this.#channel = channel;
  }

  async connect(port) {
    this.id = randomUUID();
    await this.open(port, `/__transmit/events?uid=${this.id}`);
    const body = JSON.stringify({ uid: this.id, channel: this.#channel });
    const options = { host: '127.0.0.1', port, path: '/__transmit/subscribe', method: 'POST', agent: false };
    await new Promise((resolve, reject) => {
      request(options, (response) => response.resume().on('end', resolve))
        .on('error', reject)
        .end(body);
    });
  }

  hear({ payload }) {
    super.hear(payload);
  }
}

class SocketIoClient {
  heard = [];
  isTold = false;
  #channel;
  #socket;

  constructor(channel) {
    this.#channel = channel;
  }

  get id() {
    return this.#socket.id;
  }

  async connect(port) {
    const { io } = await import('socket.io-client');
    const uri = `http://127.0.0.1:${port}`;
    if (this.#socket === undefined) {
      const auth = { channel: this.#channel };
      this.#socket = io(uri, { auth, reconnection: false, forceNew: true, autoConnect: false });
      this.#socket.on('message', ({ n }) => this.heard.push(n));
    } else this.#socket.io.uri = uri; // behind a balancer it would be the same
    const isBack = this.heard.length > 0;
    await new Promise((resolve) => {
      this.#socket.once('connect', resolve).once('connect_error', resolve).connect();
    });
    if (isBack && !this.#socket.recovered) this.isTold = true;
  }

  pause() {
    this.#socket.io.engine.transport.ws._socket.pause();
  }

  cut() {
    this.#socket.io.engine?.close();
  }
}

export const clientOf = {
  '@pando/core': PandoClient,
  '@boringnode/transmit': TransmitClient,
  '@socket.io/redis-streams-adapter': SocketIoClient,
};
