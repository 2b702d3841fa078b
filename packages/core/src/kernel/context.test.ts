import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { createContexts, type LoadScope } from './context.js';
import { cacheToken, dbToken, emptyToken, mergeTokens, pendingToken } from './token.js';

const signal = new AbortController().signal;
const at = (lsn: bigint) => dbToken({ shard: 'main', system: 's', timeline: 1, lsn });
const contexts = () => createContexts(createFakeClock());

describe('Contexts', () => {
  it('keeps parallel requests apart across awaits', async () => {
    const all = contexts();
    const request = (id: string) =>
      all.run(all.open({ id, signal }), async () => {
        await nextTurn();
        return all.current().id;
      });
    expect(await Promise.all([request('a'), request('b')])).toEqual(['a', 'b']);
  });

  it('gives code outside any request one ambient context, which remembers its writes', () => {
    const all = contexts();
    expect(all.isOpen()).toBe(false);
    all.current().wrote(at(5n));
    expect(all.current().token).toEqual(at(5n));
  });

  it('lets any number of calls wait on the signal of one context without a warning', () => {
    const warnings: unknown[] = [];
    const note = (warning: unknown) => warnings.push(warning);
    process.on('warning', note);
    const { signal: ambient } = contexts().current();
    for (let call = 0; call < 100; call++) ambient.addEventListener('abort', () => undefined);
    return nextTurn().then(() => {
      process.off('warning', note);
      expect(warnings).toEqual([]);
    });
  });

  it('asks on whose behalf a request runs when somebody wants to know', () => {
    const asked: string[] = [];
    const context = contexts().openFor(
      {
        get id() {
          asked.push('id');
          return 'one';
        },
        get signal() {
          asked.push('signal');
          return signal;
        },
      },
      {},
    );
    const inner = context.inside();
    expect(asked).toEqual([]);
    expect([inner.id, inner.signal]).toEqual(['one', signal]);
    expect(asked).toEqual(['id', 'signal']);
  });

  it('carries nothing any more once it is closed', () => {
    const all = contexts();
    all.run(all.open({ id: 'request', signal }), () => {
      expect(all.isOpen()).toBe(true);
      all.close();
      expect(all.isOpen()).toBe(false);
    });
  });

  it('never meets the contexts of another kit', () => {
    const [one, two] = [contexts(), contexts()];
    one.run(one.open({ id: 'request', signal }), () => {
      expect(two.isOpen()).toBe(false);
      one.current().observe(at(5n));
      expect(two.current().token).toEqual(emptyToken);
    });
  });
});

describe('RequestContext', () => {
  it('merges what is seen, and tells writes from reads', () => {
    const context = contexts().open({ id: 'a', signal, token: at(1n) });
    context.observe(at(3n));
    expect(context.written).toEqual(emptyToken);
    context.wrote(at(2n));
    expect(context.token).toEqual(at(3n));
    expect(context.written).toEqual(at(2n));
  });

  it('lets a transaction count for its request', () => {
    const context = contexts().open({ id: 'a', signal });
    const inside = context.inside();
    expect([context.inTransaction, inside.inTransaction]).toEqual([false, true]);
    inside.wrote(at(7n));
    context.observe(at(9n));
    expect(context.written).toEqual(at(7n));
    expect(inside.token).toEqual(at(9n));
  });

  it('lets a request load a value: under the token of the load, of which its client learns nothing', () => {
    const all = contexts();
    const bounds: unknown[] = [];
    const scope: LoadScope = { noteRead: (bound) => void bounds.push(bound) };
    const request = all.open({ id: 'a', signal, token: at(1n) });
    const load = all.openLoad({ id: 'a', signal: new AbortController().signal, token: at(5n) }, scope);
    const loading = request.loading(load);
    expect([loading.token, loading.load, loading.signal]).toEqual([at(5n), scope, signal]);
    expect(request.token).toEqual(at(1n));
    loading.wrote(at(9n));
    expect([request.token, request.written, load.token]).toEqual([at(9n), at(9n), at(5n)]);
  });

  it('forgets a cache epoch that is gone, and a settled row, in itself and around it', () => {
    const context = contexts().open({
      id: 'a',
      signal,
      token: mergeTokens(cacheToken({ epoch: 'old', sequence: 4 }), pendingToken('1')),
    });
    const inside = context.inside();
    inside.replaceCache({ epoch: 'new', sequence: 0 });
    inside.settle('1');
    expect(context.token).toEqual(cacheToken({ epoch: 'new', sequence: 0 }));
    expect(inside.token).toEqual(context.token);
  });

  it('detaches a load from the request that starts it', () => {
    const all = contexts();
    const noted: unknown[] = [];
    const scope: LoadScope = { noteRead: (bound) => noted.push(bound) };
    const load = all.openLoad({ id: 'load', signal, token: at(5n) }, scope);
    load.load?.noteRead({ shard: 'main', seen: 'primary' });
    expect(noted).toEqual([{ shard: 'main', seen: 'primary' }]);
    expect(load.inside().load).toBe(scope);
    load.observe(at(8n));
    expect(all.current().token).toEqual(emptyToken);
  });
});
