/**
 * Clients that do nothing but count messages.
 *
 * They read raw bytes and look for the one byte that ends each message: a library that parses frames would cost more than
 * the server does, and the server is what is measured.
 */
import { connect } from 'node:net';

process.on('disconnect', () => process.exit());

const endOfMessage = '|'.charCodeAt(0);

process.once('message', async ({ port, path, isWebSocket, hello, count }) => {
  const request = requestFor(path, isWebSocket);
  let bars = 0;
  let told = 0;
  let isTelling = false;

  /** Once in a turn: telling costs both sides more than counting. */
  const tell = () => {
    isTelling = false;
    const received = Math.floor(bars / count);
    if (received > told) process.send({ received });
    told = received;
  };
  const hear = (bytes) => {
    for (let at = bytes.indexOf(endOfMessage); at !== -1; at = bytes.indexOf(endOfMessage, at + 1)) bars += 1;
    if (!isTelling) setImmediate(tell);
    isTelling = true;
  };
  await Promise.all(Array.from({ length: count }, () => listen(port, request, hello, hear)));
  process.send({ ready: true });
});

/** Connects one client; resolves with the head of the answer, after which it says `hello`. */
function listen(port, request, hello, hear) {
  return new Promise((resolve, reject) => {
    let hasSaidHello = hello === undefined;
    const callback = (length, buffer) => {
      if (!hasSaidHello) socket.write(maskedText(hello));
      hasSaidHello = true;
      resolve();
      hear(buffer.subarray(0, length));
    };
    const onread = { buffer: Buffer.alloc(16_384), callback };
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, onread }, () => socket.write(request));
    socket.on('error', reject);
    socket.on('close', () => process.exit(1)); // the server's process is gone, or says so
  });
}

function requestFor(path, isWebSocket) {
  const handshake = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol: pando.v1',
  ];
  const headers = ['Host: 127.0.0.1', ...(isWebSocket ? handshake : ['Accept: text/event-stream'])];
  return `GET ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`;
}

/** A short text message of a client; masked with zeros, it is as it was. */
function maskedText(text) {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}
