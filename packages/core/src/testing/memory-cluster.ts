import type { Database, ReadLevel } from '../db/api.js';
import { type MemoryServer, MemoryWorld } from '../db/drivers/memory.js';
import type { DatabaseOptions } from '../db/options.js';
import type { RequestContext } from '../kernel/context.js';
import { createKernel } from '../kernel/kernel.js';
import type { Meter } from '../kernel/meter.js';
import type { Token } from '../kernel/token.js';
import { createFakeClock, type FakeClock } from './fake-clock.js';
import { createMemoryDatabase, type MemoryDatabaseOptions } from './memory-database.js';

/** What {@link startMemoryDatabase} starts. */
export interface MemoryClusterOptions {
  /** How many, or what is said of each. @defaultValue `2` */
  readonly replicas?: number | MemoryDatabaseOptions['replicas'];
  readonly options?: Omit<DatabaseOptions, 'primary' | 'replicas'>;
  readonly meter?: Meter;
}

/** A started database on a fake cluster and a fake clock, with what tests do to it. */
export async function startMemoryDatabase({ replicas = 2, options = {}, meter }: MemoryClusterOptions = {}) {
  const clock = createFakeClock();
  const kernel = createKernel({ clock, meter });
  const [count, said] = typeof replicas === 'number' ? [replicas] : [replicas.length, replicas];
  const world = new MemoryWorld({ clock, replicas: count });
  const { db } = createMemoryDatabase({ kernel, world, options, replicas: said });
  await db.start();
  const open = (token?: Token) =>
    kernel.contexts.open({ id: 'test', signal: new AbortController().signal, token });
  const within = <T>(context: RequestContext, code: () => Promise<T>) => kernel.contexts.run(context, code);
  return {
    clock,
    world,
    db,
    open,
    within,
    contexts: kernel.contexts,
    get: (key: string, level?: ReadLevel) => read(db, key, level),
    set: (key: string, value: unknown) => db.write('set', [key, value]),
    first: world.replicas[0] as MemoryServer,
    second: world.replicas[1] as MemoryServer,
  };
}

/** The value of a register. */
export async function read(db: Database, key: string, level?: ReadLevel): Promise<unknown> {
  const { rows } = await db.read<{ value: unknown }>('get', [key], { level });
  return rows[0]?.value;
}

/** Turns the clock until the work is done. */
export async function during<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let isDone = false;
  const settled = work.finally(() => {
    isDone = true;
  });
  settled.catch(() => undefined);
  while (!isDone) await clock.advance(1);
  return settled;
}
