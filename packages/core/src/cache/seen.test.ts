import { expect, it } from 'vitest';
import { dbToken, emptyToken } from '../kernel/token.js';
import { CacheFleet, type FleetInstance } from '../testing/cache-fleet.js';
import { createFakeClock } from '../testing/fake-clock.js';

const position = (lsn: bigint) => ({ system: 'fake', timeline: 1, lsn });
const seen = (lsn: bigint) => dbToken({ shard: 'main', ...position(lsn) });

async function twoInstances() {
  const clock = createFakeClock();
  const fleet = new CacheFleet({ clock });
  return { clock, fleet, a: await fleet.instance(), b: await fleet.instance() };
}

/** Loads what a read has given that was certain to see 1, and may have seen everything up to here. */
const load = ({ cache, kernel }: FleetInstance, key: string, upTo?: bigint) =>
  cache.getOrLoad(key, () => {
    const bound = {
      shard: 'main',
      seen: position(1n),
      upTo: upTo === undefined ? undefined : position(upTo),
    };
    kernel.contexts.current().load?.noteRead(bound);
    return key;
  });

it('tells everybody who gets a value what its load can have seen', async () => {
  const { a, b } = await twoInstances();
  const { token } = await a.write('elsewhere', 1);
  for (const instance of [a, b, a, b]) {
    const reply = await instance.request(() => load(instance, 'x', 7n));
    expect(reply.token).toEqual({ ...seen(7n), cache: token.cache });
  }
});

it('tells those who joined the load, too', async () => {
  const { a } = await twoInstances();
  const replies = await Promise.all([7n, 8n].map((lsn) => a.request(() => load(a, 'x', lsn))));
  expect(replies.map(({ token }) => token.db)).toEqual([seen(7n).db, seen(7n).db]);
});

it('tells who gets a value what went into it from other values', async () => {
  const { a, b } = await twoInstances();
  await a.request(() => load(a, 'inner', 7n));
  const outer = () => a.cache.getOrLoad('outer', () => load(a, 'inner', 9n));
  expect((await a.request(outer)).token.db).toEqual(seen(7n).db);
  expect((await b.request(() => load(b, 'outer'))).token.db).toEqual(seen(7n).db);
});

it('tells nothing where nobody wanted to know', async () => {
  const { a, b } = await twoInstances();
  for (const instance of [a, b, a]) {
    expect((await instance.request(() => load(instance, 'x'))).token).toEqual(emptyToken);
  }
});

it('tells who gets a value that was set what its maker had seen', async () => {
  const { a, b } = await twoInstances();
  await a.request(() => {
    a.kernel.contexts.current().observe(seen(7n)); // as a read or write does, where databases tell
    return a.cache.set('x', 'made');
  });
  for (const instance of [a, b]) {
    const { value, token } = await instance.request(() => instance.cache.get('x'));
    expect([value, token.db]).toEqual(['made', seen(7n).db]);
  }
});

it('tells nothing of a value that was set where nobody wanted to know', async () => {
  const { a, b } = await twoInstances();
  await a.request(() => a.cache.set('x', 'made'), seen(7n));
  expect((await b.request(() => b.cache.get('x'))).token).toEqual(emptyToken);
});

it('shows nothing older to who got a value than what was invalidated when it was loaded', async () => {
  const { clock, fleet, a, b } = await twoInstances();
  await a.write('x', 1);
  await b.read('x');
  fleet.carry = () => undefined;
  await a.write('x', 2);
  expect((await b.read('x')).value).toBe(1); // it has not heard of it
  const { token } = await a.request(() => load(a, 'list', 2n)); // shows the new value, and has no tag of its own for it
  const read = b.read('x', token);
  await clock.advance(100);
  expect((await read).value).toBe(2);
});
