import { createDatabase, type DatabaseOptions, type Row, type ServerState } from '@pando/core/db';
import { waitFor } from '@pando/core/testing';
import { onTestFinished } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';

/** A database that ends with the test, all its replicas in rotation. */
export async function openDatabase(options: DatabaseOptions) {
  const kernel = createKernel();
  const db = createDatabase(options, { kernel });
  onTestFinished(() => db.close());
  await db.start();
  const states = () => db.topology().replicas.map(({ state }) => state);
  const reach = (...expected: ServerState[]) =>
    waitFor(() => states().join() === expected.join(), {
      intervalMs: 5,
      timeoutMs: 20_000,
      message: () => `${expected}; it is ${JSON.stringify(db.topology())}`,
    });
  await waitFor(() => states().every((state) => state === 'up'), { intervalMs: 5 });
  /** Runs code as one request, with a token of its own. */
  const request = <T>(code: () => Promise<T>): Promise<T> =>
    kernel.contexts.run(kernel.contexts.open({ id: 'test', signal: new AbortController().signal }), code);
  /** The only row of a read. */
  const one = async <R = Row>(...read: Parameters<typeof db.read>): Promise<R | undefined> =>
    (await db.read<R>(...read)).rows[0];
  return { db, kernel, request, one, states, reach };
}

export const createRegisters = 'create table registers (key text primary key, value int not null)';
export const setRegister = 'insert into registers values ($1, $2) on conflict (key) do update set value = $2';
export const getRegister = `select value, pg_is_in_recovery() as "isReplica", inet_server_port() as port, pg_backend_pid() as pid
  from registers where key = $1`;

/** A row of {@link getRegister}. */
export interface Register {
  readonly value: number;
  readonly isReplica: boolean;
  readonly port: number;
  readonly pid: number;
}
