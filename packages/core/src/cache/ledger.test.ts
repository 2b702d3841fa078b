import { describe, expect, it } from 'vitest';
import { createLedgers, type Ledger } from '../kernel/ledger.js';
import { pendingToken } from '../kernel/token.js';
import { CacheFleet } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { CacheRules } from './rules.js';

/** The rows of an outbox, and what was asked about them. */
class FakeLedger implements Ledger {
  isAbsent = false;
  readonly rows = new Set<string>();
  readonly hastened: string[] = [];
  looks = 0;
  isAway = false;
  hasTooMany = false;

  async carriedOut(rows: readonly string[]): Promise<readonly string[]> {
    this.#look();
    return rows.filter((row) => !this.rows.has(row));
  }

  hasten(rows: readonly string[]): void {
    this.hastened.push(...rows);
  }

  async standing(): Promise<readonly string[] | undefined> {
    this.#look();
    return this.hasTooMany ? undefined : [...this.rows];
  }

  #look(): void {
    this.looks += 1;
    if (this.isAway) throw new Error('the database is away');
  }
}

async function setup(rules?: Partial<CacheRules>) {
  const clock = createFakeClock();
  const ledger = new FakeLedger();
  const fleet = new CacheFleet({ clock, rules, ledger });
  const [a, b] = [await fleet.instance(), await fleet.instance()];
  const back = async () => {
    for (const { level } of [a, b]) level.setUp(false);
    for (const { level } of [a, b]) level.setUp(true);
    await clock.advance(0);
  };
  /** Everybody has 1; 2 is committed, and its process died before it could tell Redis. */
  const crash = async () => {
    await a.write('x', 1);
    await a.read('x');
    await b.read('x');
    fleet.registers.commit('x', 2);
    ledger.rows.add('row');
  };
  /** Another process takes the row over. */
  const takeOver = async () => {
    await a.cache.invalidate(['x']);
    ledger.rows.delete('row');
  };
  return { clock, ledger, fleet, a, b, back, crash, takeOver };
}

describe('after the shared level was away', () => {
  const readAfterReturn = async (rules?: Partial<CacheRules>) => {
    const { b, back, crash } = await setup(rules);
    await crash();
    await back();
    return (await b.read('x')).value;
  };

  it('nothing cached is used while a transaction from before waits to be carried out', async () => {
    expect(await readAfterReturn()).toBe(2);
  });

  it('the past would be served without the rule', async () => {
    expect(await readAfterReturn({ mayReopen: () => true })).toBe(1);
  });

  it('what is cached is used again once nothing waits any more', async () => {
    const { b, back, crash, takeOver, clock, ledger } = await setup();
    await crash();
    await back();
    await b.read('x');
    await takeOver();
    ledger.rows.add('later'); // committed after the return: its own process sees to it
    await clock.advance(100);
    await b.read('x'); // looks
    let loads = 0;
    const read = () => b.request(() => b.cache.getOrLoad('y', () => ++loads));
    await read();
    expect((await read()).value).toBe(1);
    expect(ledger.hastened).toEqual([]);
  });

  it('nothing is used while the database cannot say what waits', async () => {
    const { b, back, crash, ledger, clock } = await setup();
    await crash();
    ledger.isAway = true;
    await back();
    expect((await b.read('x')).value).toBe(2);
    ledger.isAway = false;
    ledger.hasTooMany = true;
    await clock.advance(100);
    expect((await b.read('x')).value).toBe(2);
  });

  it('the database is asked once at a time, and seldom', async () => {
    const { b, back, crash, ledger, clock } = await setup();
    await crash();
    await back();
    const before = ledger.looks;
    await Promise.all([b.read('x'), b.read('y'), b.read('z')]);
    for (let n = 0; n < 10; n++) await b.read('x');
    expect(ledger.looks - before).toBe(1);
    await clock.advance(100);
    for (let n = 0; n < 10; n++) await b.read('x');
    expect(ledger.looks - before).toBe(2);
  });

  it('a look that began before another return says nothing', async () => {
    const { b, back, crash, ledger } = await setup();
    await crash();
    ledger.rows.clear();
    await back();
    const reading = b.read('y');
    ledger.rows.add('row');
    await back();
    await reading;
    expect((await b.read('x')).value).toBe(2);
  });
});

it('a cache is not used before it was asked once what waits', async () => {
  const { fleet, crash } = await setup();
  await crash();
  const late = await fleet.instance();
  expect((await late.read('x')).value).toBe(2);
});

describe('a token that names a row as pending', () => {
  const readWithToken = async (rules?: Partial<CacheRules>) => {
    const { b, crash, ledger } = await setup(rules);
    await b.read('x'); // the cache is in use
    await crash();
    const reply = await b.read('x', pendingToken('row'));
    return { ...reply, hastened: ledger.hastened };
  };

  it('is served by no cache while the row stands, and has it carried out sooner', async () => {
    const { value, token, hastened } = await readWithToken();
    expect(value).toBe(2);
    expect(token.pending).toEqual(['row']);
    expect(hastened).toEqual(['row']);
  });

  it('would be served the past if it were believed to be carried out', async () => {
    expect((await readWithToken({ carriedOut: (pending) => pending })).value).toBe(1);
  });

  it('names the counter instead once the row is gone, which covers its invalidation', async () => {
    const { b, crash, takeOver, fleet } = await setup();
    await crash();
    await takeOver();
    const { value, token } = await b.read('x', pendingToken('row'));
    expect(value).toBe(2);
    expect(token.pending).toEqual([]);
    const { epoch, sequence } = fleet.world.clock ?? {};
    expect(token.cache).toEqual([{ epoch, sequence }]);
  });

  it('stays as it is while the database does not answer', async () => {
    const { b, crash, takeOver, ledger } = await setup();
    await b.read('x');
    await crash();
    await takeOver();
    ledger.isAway = true;
    expect((await b.read('x', pendingToken('row'))).token.pending).toEqual(['row']);
  });
});

describe('the ledgers of several databases', () => {
  it('say that a row is carried out when it stands in none of them', async () => {
    const ledgers = createLedgers();
    expect(ledgers.isAbsent).toBe(true);
    expect(await ledgers.carriedOut(['row'])).toEqual([]);
    const [one, two] = [new FakeLedger(), new FakeLedger()];
    const added = ledgers.add(one);
    ledgers.add(two);
    one.rows.add('row');
    expect(await ledgers.carriedOut(['row', 'other'])).toEqual(['other']);
    expect(await ledgers.standing()).toEqual(['row']);
    two.hasTooMany = true;
    expect(await ledgers.standing()).toBeUndefined();
    added[Symbol.dispose]();
    expect(await ledgers.carriedOut(['row'])).toEqual(['row']);
  });
});
