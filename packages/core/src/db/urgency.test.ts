import { expect, it } from 'vitest';
import { startMemoryDatabase } from '../testing/memory-cluster.js';

it('writes go before reads where connections are short, and what is for batch goes last', async () => {
  const { db, contexts, clock } = await startMemoryDatabase({
    replicas: 0,
    options: { pool: { size: 1, overflow: 0 } },
  });
  const order: string[] = [];
  const done = (name: string) => () => void order.push(name);
  const { signal } = new AbortController();
  const nightly = contexts.open({ id: 'nightly', signal, priority: 'batch' });

  let release = () => {};
  const holder = db.transaction(() => new Promise<void>((resolve) => (release = resolve)));
  await clock.advance(0);
  const waiting = [
    contexts
      .run(nightly, () => db.transaction(async (tx) => void (await tx.query('get', ['a']))))
      .then(done('transaction of a batch context')),
    db.write('set', ['a', 1], { priority: 'batch' }).then(done('batch write')),
    db.read('get', ['a'], { priority: 'batch' }).then(done('batch read')),
    db.read('get', ['a']).then(done('read')),
    contexts.run(nightly, () => db.read('get', ['a'], { priority: 'normal' })).then(done('urgent read')),
    db.query('set', ['a', 2]).then(done('write')),
    db.transaction(async (tx) => void (await tx.query('get', ['a']))).then(done('transaction')),
  ];
  await clock.advance(0);
  release();
  await Promise.all([holder, ...waiting]);
  expect(order).toEqual([
    ...['write', 'transaction', 'read', 'urgent read'],
    ...['transaction of a batch context', 'batch write', 'batch read'],
  ]);
});
