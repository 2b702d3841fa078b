import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { emptyToken } from '../../kernel/token.js';
import type { LogEntry, LogPage, ReadOptions } from '../ports.js';
import { History } from './history.js';
import { Pace } from './pace.js';

const limits = { pageEntries: 128, pageBytes: 1_024, concurrentReads: 32 };
const idOf = (n: number) => `${n}-0`;
const LENGTH = 500;

/** A log of so many entries behind a way that carries so many of them at once: what is asked for together comes too late. */
class NarrowLog {
  /** Of entries, at the widest. */
  most = 0;
  carries = Number.POSITIVE_INFINITY;
  #asked = 0;

  async read(_channel: string, { from, limit }: ReadOptions): Promise<LogPage> {
    this.#asked += limit;
    this.most = Math.max(this.most, this.#asked);
    await turn();
    const isLate = this.#asked > this.carries;
    await turn();
    this.#asked -= limit;
    if (isLate) throw new Error('too late');
    const first = Number(from?.split('-')[0]);
    const entries = Array.from({ length: Math.min(limit, LENGTH - first + 1) }, (_, index): LogEntry => {
      return { id: idOf(first + index), prev: idOf(first + index - 1), packed: Buffer.from('x') };
    });
    const more = entries.length === limit;
    return { lineage: 'a', head: idOf(LENGTH), entries, more, seen: emptyToken };
  }
}

function setup() {
  const log = new NarrowLog();
  let reads = 0;
  const pace = new Pace(limits);
  const history = new History(log, { pace, metrics: { historyReads: { add: () => reads++ } } as never });
  /** Reads from there to the end, and tries again as often as it has to. */
  const readAll = async (from: number): Promise<void> => {
    for (let at = from; at < LENGTH; ) {
      const shared = await history.read('c', idOf(at)).catch(() => undefined);
      at = Number(shared?.page.entries.at(-1)?.id.split('-')[0] ?? at);
    }
  };
  return { log, pace, readAll, reads: () => reads };
}

it('readers who ask for so much together that nothing comes in time ask for less, until it does', async () => {
  const { log, pace, readAll, reads } = setup();
  log.carries = 300;
  await Promise.all(Array.from({ length: 40 }, (_, n) => readAll(1 + 10 * n)));
  expect(log.most).toBeGreaterThan(300);
  log.carries = Number.POSITIVE_INFINITY;
  for (let n = 0; n < 40; n++) await readAll(LENGTH - 1);
  expect([pace.entries, pace.bytes, pace.atOnce]).toEqual(Object.values(limits));
  const before = reads();
  await readAll(1);
  expect(reads() - before).toBe(4);
});

it('no more reads run at a time than are allowed, whoever waits', async () => {
  const { log, readAll } = setup();
  await Promise.all(Array.from({ length: 100 }, (_, n) => readAll(1 + n)));
  expect(log.most).toBe(limits.pageEntries * limits.concurrentReads);
});
