import { get, starter } from './app.js';
import { EventStream, SocketClient } from './clients.js';
import type { AdapterHarness } from './harness.js';

/**
 * Serves one request, one stream and one socket, and closes everything with the last two open.
 *
 * For the {@link AdapterHarness.program} of a harness: nothing is left then that keeps the process alive.
 */
export async function serveOnce(harness: Pick<AdapterHarness, 'listen'>): Promise<void> {
  const app = await starter(harness)({
    routes: [get('/plain', () => ({ body: 'served' }))],
    streams: [{ path: '/events', plan: () => ({ channels: ['news'] }) }],
    ws: { path: '/ws' },
  });
  const plain = await app.get('/plain');
  const stream = await EventStream.open(`${app.url}/events`);
  const socket = await SocketClient.open(`${app.url}/ws`);
  await app[Symbol.asyncDispose]();
  if ((await plain.text()) !== 'served') throw new Error('The request was not served.');
  if ((await socket.closed()) !== 1012) throw new Error('The socket was not told to come back.');
  await stream.finished();
  console.log('served once');
}
