import type { Pando } from '@pando/core';
import type { Known } from './known.js';

/** Registers hold versions that only grow. Those that are cached are written by transactions alone, which name their tags. */
export const plainRegisters = ['plain:0', 'plain:1', 'plain:2'] as const;
export const cachedRegisters = ['cached:0', 'cached:1', 'cached:2', 'cached:3', 'cached:4'] as const;
export const allRegisters: readonly string[] = [...plainRegisters, ...cachedRegisters];

/** The channel on which transactions say what they wrote. */
export const channel = 'registers';

/** What a transaction publishes. */
export interface Written {
  readonly id: string;
  readonly versions: Readonly<Record<string, number>>;
}

export const schema = `
  create table registers (key text primary key, version int not null);
  create table journal (id text primary key, effect text);
  insert into registers select unnest('{${[...allRegisters, 'last'].join()}}'::text[]), 0;`;

const advance = 'update registers set version = version + 1 where key = $1 returning version';
const look = 'select version from registers where key = $1';

interface Row {
  readonly version: number;
}

const versionIn = ({ rows }: { readonly rows: readonly Row[] }): number => (rows[0] as Row).version;

/** Writes one register, and tells its new version. */
export async function write({ db }: Pando, register: string): Promise<number> {
  return versionIn(await db.write<Row>(advance, [register]));
}

/** Writes registers in one transaction, which leaves a trace in the journal. */
export async function transact(
  { db }: Pando,
  id: string,
  registers: readonly string[],
  effect: string | undefined,
): Promise<Written> {
  return db.transaction(async (tx) => {
    const versions: Record<string, number> = {};
    for (const register of registers.toSorted()) {
      versions[register] = versionIn(await tx.query<Row>(advance, [register]));
    }
    await tx.query('insert into journal values ($1, $2)', [id, effect]);
    tx.invalidate(registers);
    tx.publish(channel, { id, versions } satisfies Written);
    if (effect !== undefined) tx.effect(effect, id);
    return { id, versions };
  });
}

export async function read({ db }: Pando, register: string): Promise<number> {
  return versionIn(await db.read<Row>(look, [register]));
}

/** A cached version, and up to which one invalidations had been carried out when its load began. */
export interface Cached {
  readonly version: number;
  readonly settled: number;
}

export function readCached(pando: Pando, register: string, settled: Known): Promise<Cached> {
  return pando.cache.getOrLoad(register, async () => ({
    settled: settled.of(register),
    version: await read(pando, register),
  }));
}

/** All cached registers as one cached value, made of theirs. */
export function readBoard(pando: Pando, settled: Known): Promise<readonly Cached[]> {
  return pando.cache.getOrLoad('board', () =>
    Promise.all(cachedRegisters.map((register) => readCached(pando, register, settled))),
  );
}
