/**
 * What SIGTERM does to those whom an instance is serving: a request in flight, a stream of events, a WebSocket, a connection that
 * is kept for the next request, and who comes before the balancer has noticed.
 */
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Child } from '../harness/child.mjs';

const program = new URL('./shutdown-process.mjs', import.meta.url);
const libraries = [
  '@pando/core',
  'server.close()',
  '@godaddy/terminus',
  'http-terminator',
  'close-with-grace',
];
/** A balancer has not noticed anything by then. */
const laterMs = 100;
const enoughMs = 20_000;

const rowsOf = {
  'in-flight': 'a request that takes 1.5 s and has begun',
  kept: `the next request on a kept connection, ${laterMs} ms after the signal`,
  new: `a request on a new connection, ${laterMs} ms after the signal`,
  events: 'a stream of events',
  socket: 'a WebSocket: its close code',
  exit: 'the process has ended, with which code',
};

export const tableIds = Object.keys(rowsOf).map((id) => `shutdown.${id}`);

/** Resolves with the event's first argument, whatever else happens. */
const heard = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
const ignored = () => undefined;

/** Asks on a connection of its own; says how that ended. */
function ask(port, path) {
  return new Promise((resolve) => {
    const asked = request({ port, path, host: '127.0.0.1', agent: false }, (response) => {
      response
        .on('error', ignored)
        .resume()
        .on('close', () => resolve(response.complete ? 'answered' : 'cut'));
    });
    asked.on('error', ({ code }) => resolve(code === 'ECONNREFUSED' ? 'refused' : 'cut')).end();
  });
}

/** A connection that is used once, and then kept. */
async function keep(port) {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  socket.on('error', ignored);
  const next = async () => {
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const said = await Promise.race([heard(socket, 'data'), heard(socket, 'close')]);
    return String(said).startsWith('HTTP/1.1 200') ? 'answered' : 'cut';
  };
  await next();
  return { next: () => (socket.destroyed || socket.readableEnded ? 'cut' : next()) };
}

function openEvents(port) {
  return new Promise((resolve) => {
    const opened = request({ port, path: '/events', host: '127.0.0.1', agent: false }, (response) => {
      const ended = heard(response, 'close').then(() => (response.complete ? 'ended in order' : 'cut'));
      response.on('error', ignored).resume();
      resolve({ ended });
    });
    opened.on('error', ignored).end();
  });
}

async function openSocket(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, 'pando.v1');
  socket.on('error', ignored);
  const ended = heard(socket, 'close').then(String);
  await heard(socket, 'open');
  return { ended };
}

/** One process, from its last moment of peace to its end. */
async function outcomesOf(library) {
  const child = new Child(program, library);
  try {
    const { port, pid } = await child.ask('open', { library });
    const [kept, events, socket] = await Promise.all([keep(port), openEvents(port), openSocket(port)]);
    const inFlight = ask(port, '/slow');
    await delay(laterMs);
    const beganAt = performance.now();
    process.kill(pid, 'SIGTERM');
    const exit = Promise.race([
      child.ended.then((code) => `after ${((performance.now() - beganAt) / 1_000).toFixed(1)} s, ${code}`),
      delay(enoughMs, `not within ${enoughMs / 1_000} s`, { ref: false }),
    ]);
    await delay(laterMs);
    const late = await Promise.all([kept.next(), ask(port, '/')]);
    const ended = await exit;
    child.close();
    const stays = ended.startsWith('not') ? 'stays' : undefined;
    return {
      'in-flight': await inFlight,
      kept: late[0],
      new: late[1],
      events: stays ?? (await events.ended),
      socket: stays ?? (await socket.ended),
      exit: ended,
    };
  } finally {
    child.close();
  }
}

/** Ends an instance of each library; one row for each of those whom it was serving. */
export async function show(_servers, { versionOf, own }) {
  const columns = libraries.map((name) => ({
    name,
    version: name === '@pando/core' ? own : versionOf(name),
  }));
  const rows = Object.entries(rowsOf).map(([id, what]) => ({ id: `shutdown.${id}`, what, outcomes: {} }));
  for (const library of libraries) {
    console.error(`shutdown: ${library} ...`);
    const outcomes = await outcomesOf(library);
    for (const row of rows) row.outcomes[library] = outcomes[row.id.replace('shutdown.', '')];
  }
  const note = `\
Pando on Express with its defaults: it serves for 5 s more, and sends streams and sockets away over 6 s. The others have 10 s, more
than their defaults; \`close-with-grace\` ends Fastify, the others a server of \`node:http\`. None of them knows of WebSockets or
streams, nor claims to: an app has to end these itself. Nor do they wait for the balancer by themselves: an app, or its platform, can
delay the signal. 1012 tells a client to connect again, 1006 is a connection that broke.`;
  return { columns, rows, note };
}
