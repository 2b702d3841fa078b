import { describe, expect, it } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { type Logger, noopLogger } from '../kernel/logger.js';
import { createMetrics } from '../metrics/index.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { during } from '../testing/memory-cluster.js';
import { createMemoryDatabase } from '../testing/memory-database.js';
import { MemoryWorld } from './drivers/memory.js';
import type { DatabaseOptions } from './options.js';
import { StatementWatch } from './statement-watch.js';

function setup({
  slowQueryMs = 200,
  slowQueryParams = false,
}: Pick<DatabaseOptions, 'slowQueryMs' | 'slowQueryParams'> = {}) {
  const clock = createFakeClock();
  const lines: Record<string, unknown>[] = [];
  const silent = () => undefined;
  const warn = (fields: Record<string, unknown>, message: string) => void lines.push({ ...fields, message });
  const logger: Logger = { debug: silent, info: silent, warn, error: silent };
  const metrics = createMetrics();
  const kernel = createKernel({ clock, logger, meter: metrics.meter });
  const watch = new StatementWatch({ kernel, spans: undefined, slowQueryMs, slowQueryParams });
  /** A read that takes so long. */
  const read = (text: string, tookMs: number, params: readonly unknown[] = []) =>
    watch.alone('read', { text, params }, {}, async (_, trail) => {
      trail.route = 'replica';
      trail.lent('db1:5432/blog', 3.06);
      await clock.advance(tookMs);
      return { rows: [], rowCount: 7, command: 'SELECT' };
    });
  /** The value of a metric. */
  const metric = async (series: string) => {
    const line = (await metrics.expose()).split('\n').find((each) => each.startsWith(`${series} `));
    return Number(line?.split(' ')[1]);
  };
  return { clock, kernel, lines, watch, read, metric };
}

describe('a slow statement', () => {
  it('is written to the log with its way and its waits, and without its values', async () => {
    const { lines, read, metric } = setup();
    await read(`select * from users where email = 'ann@example.com' and token = $1`, 250, ['secret']);
    expect(lines).toEqual([
      {
        message: 'slow statement',
        statement: 'select * from users where email = ? and token = ?',
        fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/),
        durationMs: 250,
        operation: 'read',
        route: 'replica',
        server: 'db1:5432/blog',
        poolWaitMs: 3.1,
        replicaWaitMs: 0,
        rowCount: 7,
      },
    ]);
    expect(await metric('pando_db_slow_statements_total{operation="read"}')).toBe(1);
  });

  it('is one that takes db.slowQueryMs, and none where that is false', async () => {
    const some = setup({ slowQueryMs: 50 });
    await some.read('select 1', 49);
    expect(some.lines).toEqual([]);
    await some.read('select 1', 50);
    expect(some.lines).toHaveLength(1);
    const none = setup({ slowQueryMs: false });
    await none.read('select 1', 1_000_000);
    expect(none.lines).toEqual([]);
  });

  it('is spoken of once in ten seconds for each kind, and then of how many there were', async () => {
    const { clock, lines, read } = setup();
    for (let id = 0; id < 5; id++) await read(`select * from posts where id = ${id}`, 300);
    await read('select * from users', 300);
    expect(lines.map(({ statement }) => statement)).toEqual([
      'select * from posts where id = ?',
      'select * from users',
    ]);
    await clock.advance(10_000);
    await read('select * from posts where id = 9', 300);
    expect(lines[2]).toMatchObject({ statement: 'select * from posts where id = ?', unsaid: 4 });
  });

  it('is none the worse for a logger that throws', async () => {
    const kernel = createKernel({
      logger: {
        ...noopLogger,
        warn: () => {
          throw new Error('the disk is full');
        },
      },
    });
    const watch = new StatementWatch({ kernel, spans: undefined, slowQueryMs: 0, slowQueryParams: false });
    const result = { rows: [], rowCount: 0, command: 'SELECT' };
    const statement = { text: 'select 1', params: [] };
    expect(await watch.alone('read', statement, {}, async () => result)).toBe(result);
  });

  it('is counted even when nothing is said of it', async () => {
    const { read, metric } = setup();
    for (let turn = 0; turn < 3; turn++) await read('select 1', 300);
    expect(await metric('pando_db_slow_statements_total{operation="read"}')).toBe(3);
  });

  it('shows its values where that is wanted', async () => {
    const { lines, read } = setup({ slowQueryParams: true });
    await read('select $1', 300, ['ann']);
    expect(lines[0]).toMatchObject({ params: ['ann'] });
  });

  it('that fails is named by the code of its error, whose message may quote values', async () => {
    const { clock, lines, watch, metric } = setup();
    const error = Object.assign(new Error('timed out on ann@example.com'), {
      code: '57014',
      severity: 'ERROR',
    });
    const failing = watch.alone('write', { text: 'delete from posts', params: [] }, {}, async () => {
      await clock.advance(400);
      throw error;
    });
    await expect(failing).rejects.toBe(error);
    expect(lines[0]).toMatchObject({ error: '57014', operation: 'write', route: 'write' });
    expect(JSON.stringify(lines)).not.toContain('ann@');
    expect(await metric('pando_db_timeouts_total{by="server"}')).toBe(1);
  });

  it('does not make the log remember every kind there ever was', async () => {
    const { lines, read } = setup({ slowQueryMs: 1 });
    for (let kind = 0; kind < 600; kind++) await read(`select a${kind}`, 1);
    await read('select a599', 1);
    expect(lines).toHaveLength(600);
    await read('select a0', 1); // not ten seconds ago, but forgotten
    expect(lines).toHaveLength(601);
  });
});

describe('statements of a database', () => {
  async function database(options?: Pick<DatabaseOptions, 'slowQueryMs'>) {
    const parts = setup();
    let travelMs = 0;
    const world = new MemoryWorld({ clock: parts.clock, replicas: 1, travelMs: () => travelMs });
    const { db } = createMemoryDatabase({
      kernel: parts.kernel,
      world,
      options: { ...options, outbox: false },
    });
    await db.start();
    return {
      ...parts,
      db,
      world,
      slowly: async <T>(work: () => Promise<T>) => {
        travelMs = 300;
        return during(parts.clock, work()).finally(() => {
          travelMs = 0;
        });
      },
    };
  }

  it('are watched as reads, as writes, and as parts of transactions, their commit included', async () => {
    const { db, lines, slowly } = await database();
    await slowly(() => db.write('set', ['a', 1]));
    await slowly(() => db.read('get', ['a'], { level: 'strong' }));
    await slowly(() => db.transaction((tx) => tx.query('get', ['a'])));
    const seen = lines.map(({ statement, operation, route, server }) => ({
      statement,
      operation,
      route,
      server,
    }));
    const server = 'memory:primary';
    expect(seen).toEqual([
      { statement: 'set', operation: 'write', route: 'write', server },
      { statement: 'get', operation: 'read', route: 'strong', server },
      { statement: 'commit', operation: 'transaction', route: 'transaction', server },
    ]); // `get` has been spoken of
  });

  it('say how long they waited for a replica, in vain or not', async () => {
    const { db, lines, clock, world } = await database({ slowQueryMs: 20 });
    world.replicas[0]?.pauseReplay();
    await db.write('set', ['a', 1]);
    await during(clock, db.read('get', ['a']));
    expect(lines).toMatchObject([
      { statement: 'get', route: 'behind', replicaWaitMs: 25, server: 'memory:primary' },
    ]);
  });
});

describe('a call with a timeoutMs', () => {
  async function database() {
    const parts = setup();
    const world = new MemoryWorld({ clock: parts.clock, replicas: 0 });
    const { db } = createMemoryDatabase({ kernel: parts.kernel, world, options: { outbox: false } });
    await db.start();
    const controller = new AbortController();
    const context = parts.kernel.contexts.open({ id: 'request', signal: controller.signal });
    const request = <T>(code: () => Promise<T>) => parts.kernel.contexts.run(context, code);
    return { ...parts, db, controller, request };
  }
  const late = expect.objectContaining({ code: 'PANDO_DB_TIMEOUT', retryable: true, status: 504 });

  it('ends after that time, whatever it is', async () => {
    const { db, clock, metric } = await database();
    const timeoutMs = 100;
    const hang = (tx: { query(text: string): Promise<unknown> }) => tx.query('hang');
    for (const start of [
      () => db.read('hang', [], { timeoutMs }),
      () => db.write('hang', [], { timeoutMs }),
      () => db.query('hang', [], { timeoutMs }),
      () => db.transaction(hang, { timeoutMs }),
    ]) {
      const began = clock.monotonic();
      await expect(during(clock, start())).rejects.toEqual(late);
      expect(clock.monotonic() - began).toBeLessThan(timeoutMs + 10);
    }
    expect(await metric('pando_db_timeouts_total{by="call"}')).toBe(4);
    expect(await metric('pando_db_timeouts_total{by="server"}')).toBe(0);
  });

  it('that ends in time leaves no timer behind', async () => {
    const { db, clock } = await database();
    await db.read('get', ['a']);
    const { pending } = clock;
    await db.read('get', ['a'], { timeoutMs: 100 });
    expect(clock.pending).toBe(pending);
  });

  it('ends before that with its signal, and as a read with the request around it', async () => {
    const { db, clock, controller, request } = await database();
    const own = new AbortController();
    const signalled = db.write('hang', [], { timeoutMs: 5_000, signal: own.signal });
    own.abort(new Error('enough'));
    await expect(during(clock, signalled)).rejects.toThrow('enough');
    const read = request(() => db.read('hang', [], { timeoutMs: 5_000 }));
    controller.abort(new Error('the client has left'));
    await expect(during(clock, read)).rejects.toThrow('the client has left');
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('is refused for %d', async (timeoutMs) => {
    const { db } = await database();
    await expect(db.read('get', ['a'], { timeoutMs })).rejects.toThrow('timeoutMs must be a positive number');
  });
});
