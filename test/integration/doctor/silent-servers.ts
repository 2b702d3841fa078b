import { createServer, type Socket } from 'node:net';

/** A port that takes connections, and what then comes on them. */
export interface SilentServer extends AsyncDisposable {
  readonly port: number;
}

/** Takes every connection and says nothing; with `drip`, so much of an answer ten times a second for ever. */
export async function silentServers(drip?: {
  readonly head: string;
  readonly drop: string;
}): Promise<SilentServer> {
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined); // whoever asks gives up
    if (drip === undefined) return;
    socket.write(drip.head);
    timers.add(setInterval(() => socket.writable && socket.write(drip.drop), 100));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
