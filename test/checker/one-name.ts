import { connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { startPgBouncer } from '../infra/pgbouncer.js';

/** One name for several servers: a pooler carries each transaction on one or the other. */
export interface OneName extends AsyncDisposable {
  readonly url: string;
}

/** Puts one name in front of servers that differ in their port alone. */
export async function startOneName(urls: readonly string[]): Promise<OneName> {
  const sockets = new Set<Socket>();
  let turn = 0;
  /** Each connection goes to the next server. */
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
  const target = new URL(urls[0] as string);
  target.port = String((server.address() as { port: number }).port);
  const bouncer = await startPgBouncer({
    target: target.href,
    settings: { server_round_robin: 1, ignore_startup_parameters: 'extra_float_digits' },
  });
  await openOneEach(bouncer.url, urls.length);
  return {
    url: bouncer.url,
    async [Symbol.asyncDispose]() {
      await bouncer.close();
      for (const socket of sockets) socket.destroy();
      server.close();
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
