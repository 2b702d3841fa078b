import { connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { startPgBouncer } from './pgbouncer.js';

/** One name for several servers. */
export interface OneName extends AsyncDisposable {
  readonly url: string;
}

/** Puts one name in front of servers that differ in their port alone: each connection goes to the next server. */
export async function startAlternatingName(urls: readonly string[]): Promise<OneName> {
  const sockets = new Set<Socket>();
  let turn = 0;
  const server = createServer((client) => {
    const onward = connect(Number(new URL(urls[turn++ % urls.length] as string).port), '127.0.0.1');
    for (const socket of [client, onward]) {
      sockets.add(socket);
      socket.on('error', () => undefined); // its end follows
      socket.on('close', () => {
        client.destroy();
        onward.destroy();
      });
    }
    client.pipe(onward).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const name = new URL(urls[0] as string);
  name.port = String((server.address() as { port: number }).port);
  return {
    url: name.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** The same behind a pooler, which carries each transaction on the server that was idle for longest. */
export async function startPooledName(urls: readonly string[]): Promise<OneName> {
  const name = await startAlternatingName(urls);
  const bouncer = await startPgBouncer({
    target: name.url,
    settings: { server_round_robin: 1, ignore_startup_parameters: 'extra_float_digits' },
  });
  await openOneEach(bouncer.url, urls.length);
  return {
    url: bouncer.url,
    async [Symbol.asyncDispose]() {
      await bouncer.close();
      await name[Symbol.asyncDispose]();
    },
  };
}

/** Has the pooler open a connection to each server, by using them all at once. */
async function openOneEach(url: string, count: number): Promise<void> {
  const clients = Array.from({ length: count }, () => new pg.Client(url));
  await Promise.all(clients.map((client) => client.connect()));
  await Promise.all(clients.map((client) => client.query('begin')));
  await Promise.all(clients.map((client) => client.query('commit')));
  await Promise.all(clients.map((client) => client.end()));
}
