/**
 * The least that fan-out can cost in Node: the same bytes in the same batches, written to bare sockets.
 *
 * No library, no channels, no positions, nothing for clients that are slow or come back.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { publishing, publishingSteadily } from './fan-out.mjs';

const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** As long as a position of ours. */
const position = '1700000000000-0~m1a2b3c4d';

/** Gathers what is published in a turn, and writes it to all sockets at its end. */
function gather(sockets, frame) {
  let batch = [];
  const flush = () => {
    const bytes = frame(batch);
    batch = [];
    for (const socket of sockets) socket.write(bytes);
  };
  return (event) => {
    if (batch.length === 0) setImmediate(flush);
    batch.push(JSON.stringify(event));
  };
}

function webSockets() {
  const sockets = new Set();
  const server = createServer();
  server.on('upgrade', (request, socket) => {
    const accept = createHash('sha1')
      .update(request.headers['sec-websocket-key'] + magic)
      .digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    sockets.add(socket);
  });
  const frame = (batch) => {
    const frames = batch.flatMap((json) => {
      const message = Buffer.from(`{"t":"m","c":"feed","i":"${position}","d":${json}}`);
      const head = Buffer.from([0x81, 126, 0, 0]);
      head.writeUInt16BE(message.length, 2);
      return [head, message];
    });
    return Buffer.concat(frames);
  };
  return { server, path: '/ws', isWebSocket: true, publish: gather(sockets, frame) };
}

export const bareSockets = ({ listeners: count }) => publishing({ ...webSockets(), count });

export const bareSocketsSteadily = ({ listeners: count }) =>
  publishingSteadily({ ...webSockets(), count, everyMs: 1 });

export async function bareStreams({ listeners: count }) {
  const sockets = new Set();
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(':\n\n');
    sockets.add(response.socket);
  });
  const frame = (batch) => {
    const events = batch.map((json) => `id: ${position}\ndata: ${json}\n\n`).join('');
    return Buffer.from(`${Buffer.byteLength(events).toString(16)}\r\n${events}\r\n`);
  };
  return publishing({ server, path: '/events', count, publish: gather(sockets, frame) });
}
