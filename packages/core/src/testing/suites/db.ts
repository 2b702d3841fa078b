import { describe, expect, it, onTestFinished } from 'vitest';
import { ConnectionLostError, TransactionRolledBackError } from '../../db/errors.js';
import type { Backend, Connection, Statement } from '../../db/ports.js';
import { covers } from '../../db/position.js';
import { waitFor } from '../wait-for.js';

/** What a driver brings along to be tested. */
export interface DatabaseDriverSetup {
  readonly primary: Backend;
  readonly replica: Backend;
  readonly statements: {
    /** Returns one row `{ value }`, or none. */
    readonly get: (key: string) => Statement;
    readonly set: (key: string, value: string) => Statement;
    /** Fails with SQLSTATE 22012. */
    readonly fail: Statement;
    /** Runs until it is cancelled. */
    readonly hang: Statement;
  };
  /** Has the server end the session without being asked. */
  endSession(connection: Connection): Promise<void>;
}

/** What every driver of the database room promises; `setup` is called once for each test. */
export function databaseDriverSuite(name: string, setup: () => Promise<DatabaseDriverSetup>): void {
  describe(`database driver ${name}`, () => {
    const connected = async (role: 'primary' | 'replica' = 'primary', shared?: DatabaseDriverSetup) => {
      const driver = shared ?? (await setup());
      const losses: unknown[] = [];
      const connection = await driver[role].connect({ onLost: (cause) => losses.push(cause) });
      onTestFinished(() => connection.close());
      return {
        ...driver,
        connection,
        losses,
        valueIn: async (key: string) => {
          const { rows } = await connection.query<{ value: string }>(driver.statements.get(key));
          return rows[0]?.value;
        },
      };
    };

    it('greets with what the server is', async () => {
      const primary = await connected();
      const replica = await connected('replica', primary);
      expect(primary.connection.greeting).toMatchObject({ role: 'primary', timeline: expect.any(Number) });
      expect(replica.connection.greeting).toMatchObject({
        role: 'replica',
        system: primary.connection.greeting.system,
        timeline: primary.connection.greeting.timeline,
      });
      expect(replica.connection.greeting.node).not.toBe(primary.connection.greeting.node);
      expect(primary.connection.isIdle).toBe(true);
    });

    it('runs statements in the order in which they were handed over', async () => {
      const { connection, statements, valueIn } = await connected();
      const [, , last] = await Promise.all([
        connection.query(statements.set('order', 'first')),
        connection.query(statements.set('order', 'second')),
        valueIn('order'),
      ]);
      expect(last).toBe('second');
    });

    it("rejects with the server's own error and goes on", async () => {
      const { connection, statements, valueIn } = await connected();
      await expect(connection.query(statements.fail)).rejects.toMatchObject({ code: '22012' });
      await expect(connection.write(statements.fail)).rejects.toMatchObject({ code: '22012' });
      expect(await valueIn('nothing')).toBeUndefined();
      await connection.settle();
      expect(connection.isIdle).toBe(true);
    });

    it('tells a position behind every write', async () => {
      const { connection, statements } = await connected();
      const before = await connection.report();
      const { result, position } = await connection.write(statements.set('written', '1'));
      expect(result.rowCount).toBe(1);
      if (position === undefined) throw new Error('no position');
      expect(position.lsn).toBeGreaterThan(before.lsn);
      expect(covers(await connection.position(), position)).toBe(true);
    });

    it('shows a write on a replica that has come to its position', async () => {
      const primary = await connected();
      const replica = await connected('replica', primary);
      const value = String(Date.now());
      const { position } = await primary.connection.write(primary.statements.set('replicated', value));
      if (position === undefined) throw new Error('no position');
      await waitFor(async () => covers(await replica.connection.report(), position), { intervalMs: 1 });
      expect(await replica.valueIn('replicated')).toBe(value);
    });

    it.each(['primary', 'replica'] as const)('tells what a read on the %s can have seen', async (role) => {
      const writer = await connected();
      const reader = await connected(role, writer);
      const { position } = await writer.connection.write(writer.statements.set('observed', role));
      if (position === undefined) throw new Error('no position');
      const observed = await waitFor(
        async () => {
          const read = await reader.connection.observe<{ value: string }>(reader.statements.get('observed'));
          return read.result.rows[0]?.value === role ? read : undefined;
        },
        { intervalMs: 1 },
      );
      expect(observed.upTo).toBeGreaterThanOrEqual(position.lsn);
      const reached = async () => (await reader.connection.report()).lsn;
      await waitFor(async () => (await reached()) >= observed.upTo, { intervalMs: 1 });
      await expect(reader.connection.observe(reader.statements.fail)).rejects.toMatchObject({
        code: '22012',
      });
    });

    it.each(['primary', 'replica'] as const)('tells with a read where the %s was before it', async (role) => {
      const writer = await connected();
      const reader = await connected(role, writer);
      const { position } = await writer.connection.write(writer.statements.set('proven', role));
      if (position === undefined) throw new Error('no position');
      const proven = await waitFor(
        async () => {
          const read = await reader.connection.prove<{ value: string }>(reader.statements.get('proven'), {
            isObserved: true,
          });
          return read.proof.lsn >= position.lsn && read;
        },
        { intervalMs: 1 },
      );
      expect(proven.proof).toMatchObject({ role, node: reader.connection.greeting.node });
      expect(proven.result.rows).toMatchObject([{ value: role }]);
      expect(proven.upTo).toBeGreaterThanOrEqual(position.lsn);
      await expect(reader.connection.prove(reader.statements.fail)).rejects.toMatchObject({ code: '22012' });
      await reader.connection.settle();
      expect(reader.connection.isIdle).toBe(true);
    });

    it('refuses writes on a replica with 25006', async () => {
      const { connection, statements } = await connected('replica');
      await expect(connection.query(statements.set('refused', '1'))).rejects.toMatchObject({ code: '25006' });
    });

    it('commits a transaction and tells the position behind it', async () => {
      const { connection, statements, valueIn } = await connected();
      const before = await connection.report();
      const begun = connection.begin({});
      await connection.query(statements.set('transacted', 'yes'));
      await begun;
      expect(connection.isIdle).toBe(false);
      const { wrote, position } = await connection.commit();
      expect(wrote).toBe(true);
      expect(position?.lsn).toBeGreaterThan(before.lsn);
      expect(await valueIn('transacted')).toBe('yes');
      expect(connection.isIdle).toBe(true);
    });

    it('tells a transaction that only read from one that wrote', async () => {
      const { connection, valueIn } = await connected();
      await connection.begin({});
      await valueIn('anything');
      expect(await connection.commit()).toMatchObject({ wrote: false });
    });

    it('leaves nothing of a transaction that was rolled back', async () => {
      const { connection, statements, valueIn } = await connected();
      await connection.begin({});
      await connection.query(statements.set('rolled-back', 'yes'));
      await connection.rollback();
      expect(await valueIn('rolled-back')).toBeUndefined();
    });

    it('calls a COMMIT that rolled back an error', async () => {
      const { connection, statements, valueIn } = await connected();
      await connection.begin({});
      await connection.query(statements.set('doomed', 'yes'));
      await expect(connection.query(statements.fail)).rejects.toMatchObject({ code: '22012' });
      await expect(connection.commit()).rejects.toThrow(TransactionRolledBackError);
      expect(await valueIn('doomed')).toBeUndefined();
      expect(connection.isIdle).toBe(true);
    });

    it("cancels a statement for its signal, rejects with the signal's reason, and goes on", async () => {
      const { connection, statements, valueIn, losses } = await connected();
      const controller = new AbortController();
      const reason = new Error('the client has left');
      const hanging = connection.query(statements.hang, { signal: controller.signal });
      setImmediate(() => controller.abort(reason));
      await expect(hanging).rejects.toBe(reason);
      await connection.settle();
      expect(connection.isIdle).toBe(true);
      expect(await valueIn('nothing')).toBeUndefined();
      expect(losses).toEqual([]);
    });

    it('sends nothing for a signal that has already aborted', async () => {
      const { connection, statements } = await connected();
      const signal = AbortSignal.abort(new Error('too late'));
      await expect(connection.query(statements.hang, { signal })).rejects.toThrow('too late');
      expect(connection.isIdle).toBe(true);
    });

    it('tells that a session was lost before its statements reject', async () => {
      const { connection, statements, losses, endSession } = await connected();
      let lossesAtRejection: number | undefined;
      const hanging = connection.query(statements.hang).catch((error: unknown) => {
        lossesAtRejection = losses.length;
        throw error;
      });
      const rejection = expect(hanging).rejects.toThrow(ConnectionLostError);
      await endSession(connection);
      await rejection;
      expect(lossesAtRejection).toBe(1);
      expect(connection.isOpen).toBe(false);
      await expect(connection.query(statements.get('any'))).rejects.toThrow(ConnectionLostError);
      expect(losses).toHaveLength(1);
    });

    it('notices that an idle session was ended', async () => {
      const { connection, losses, endSession } = await connected();
      await endSession(connection);
      await waitFor(() => !connection.isOpen, { intervalMs: 1 });
      expect(losses).toHaveLength(1);
    });

    it('calls no session lost that it was asked to end', async () => {
      const { connection, statements, losses } = await connected();
      const hanging = connection.query(statements.hang);
      connection.destroy();
      await expect(hanging).rejects.toThrow(ConnectionLostError);
      await connection.settle();
      expect(losses).toEqual([]);
    });

    it("gives up connecting with the signal's reason", async () => {
      const { primary } = await setup();
      const signal = AbortSignal.abort(new Error('not needed any more'));
      await expect(primary.connect({ signal, onLost: () => undefined })).rejects.toThrow(
        'not needed any more',
      );
    });
  });
}
