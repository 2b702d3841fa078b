import pg from 'pg';
import type { Clock } from '../../kernel/clock.js';

/** The session to cancel, as the server named it when the session began. */
interface Cancellable {
  readonly host: string;
  readonly port: number;
  readonly processID: number;
  readonly secretKey: number;
}

/** The part of the client's wire connection that a cancellation uses; its published types lack it. */
interface Wire {
  readonly stream: { destroy(): void };
  connect(portOrPath: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processID: number, secretKey: number): void;
  on(event: 'connect' | 'sslconnect' | 'end' | 'error', listener: () => void): void;
}

/**
 * Asks a server to cancel what a session runs: a connection of its own that carries one message.
 *
 * The server closes that connection after it has signalled the session, so a statement which the session
 * begins after this has resolved is safe. Resolves in any case, after the time-out at the latest.
 */
export function requestCancel(
  client: pg.Client,
  ssl: pg.ClientConfig['ssl'],
  clock: Clock,
  timeoutMs: number,
): Promise<void> {
  const { host, port, processID, secretKey } = client as pg.Client & Cancellable;
  const wire = new pg.Connection({ ssl }) as unknown as Wire;
  const send = () => wire.cancel(processID, secretKey);
  return new Promise((resolve) => {
    const end = () => {
      timer[Symbol.dispose]();
      wire.stream.destroy();
      resolve();
    };
    const timer = clock.after(timeoutMs, end);
    wire.on('end', end);
    wire.on('error', end);
    wire.on('connect', () => (ssl ? wire.requestSsl() : send()));
    wire.on('sslconnect', send);
    if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`);
    else wire.connect(port, host);
  });
}
