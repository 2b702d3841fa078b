import { expect, it } from 'vitest';
import { StreamEar } from '../../followers/ears.js';
import { Verifier } from '../../followers/verifier.js';

const at = (n: number, lineage = 'a') => `${n}-0~${lineage}`;

/** A channel with the messages 1 to 5, and somebody who saw these; 0 is a reset. */
function judge(seen: readonly number[], { isCaughtUp = false, lost = [] as readonly number[] } = {}) {
  const verifier = new Verifier();
  const listener = verifier.listener('ann', ['c']);
  listener.begin('c');
  for (const n of seen)
    if (n === 0) listener.reset('c', 'trimmed');
    else listener.message('c', at(n), n);
  for (const n of [3, 1, 2, 4, 5]) verifier.confirm('c', at(n), n); // in whatever order it is heard of
  for (const n of lost) verifier.lose('c', at(n));
  return verifier.violations({ isCaughtUp });
}

it.each([
  { seen: [1, 2, 3, 4, 5] },
  { seen: [3, 4, 5] },
  { seen: [1, 2, 0, 5] },
  { seen: [1, 2, 3, 0, 4, 5] },
  { seen: [1, 2, 5], lost: [3, 4] },
])('$seen is what was promised', ({ seen, lost }) => {
  expect(judge(seen, { isCaughtUp: true, lost })).toEqual([]);
});

it.each([
  { seen: [1, 2, 4], says: 'missed 1 before 4' },
  { seen: [1, 2, 2, 3], says: 'saw 2 (2-0~a) of c again' },
  { seen: [1, 3, 2], says: 'missed 1 before 3' },
  { seen: [1, 2, 0, 2, 3], says: 'saw 2 (2-0~a) of c again' },
  { seen: [1, 2, 6], says: 'nobody published 6' },
  { seen: [1, 2, 3, 4], isCaughtUp: true, says: 'never saw the last 1' },
  { seen: [1, 2, 0], isCaughtUp: true, says: 'never saw the last 5' },
  { seen: [1, 2, 3, 5], lost: [3, 4], says: 'went on to 5' },
])('$seen is not: $says', ({ seen, says, ...how }) => {
  expect(judge(seen, how).join('\n')).toContain(says);
});

it('whoever has a position and comes back without it hides a gap', () => {
  const verifier = new Verifier();
  const listener = verifier.listener('ann', ['c']);
  for (const n of [1, 2]) verifier.confirm('c', at(n), n);
  listener.message('c', at(1), 1);
  listener.begin('c');
  expect(verifier.violations({ isCaughtUp: false })).toEqual(['ann came back to c without its position']);
});

it('one position is one message, for everybody', () => {
  const verifier = new Verifier();
  const [ann, bob] = ['ann', 'bob'].map((name) => verifier.listener(name, ['c']));
  verifier.confirm('c', at(1), 1);
  ann?.message('c', at(1), 1);
  bob?.message('c', at(1), 2);
  expect(verifier.violations({ isCaughtUp: false })[0]).toContain('bob saw 2 at 1-0~a');
});

it('what was published in another life of the data set comes after what was published before', () => {
  const verifier = new Verifier();
  const listener = verifier.listener('ann', ['c']);
  for (const [n, life] of [
    [1, 'a'],
    [2, 'a'],
    [3, 'b'],
  ] as const)
    verifier.confirm('c', at(life === 'a' ? n + 10 : n, life), n);
  listener.message('c', at(11), 1);
  listener.reset('c', 'failover');
  listener.message('c', at(3, 'b'), 3);
  expect(verifier.violations({ isCaughtUp: true })).toEqual([]);
});

it('a publish whose outcome nobody knows may be seen, and is part of the log for all when it was', () => {
  const verifier = new Verifier();
  const [ann, bob] = ['ann', 'bob'].map((name) => verifier.listener(name, ['c']));
  for (const n of [1, 3]) verifier.confirm('c', at(n), n);
  verifier.attempt(2);
  for (const n of [1, 2, 3]) ann?.message('c', at(n), n);
  expect(verifier.violations({ isCaughtUp: false })).toEqual([]);
  for (const n of [1, 3]) bob?.message('c', at(n), n);
  expect(verifier.violations({ isCaughtUp: false })).toEqual([
    'bob missed 1 before 3 (3-0~a) of c, without a reset',
  ]);
});

it('a plain EventSource on several channels may hear again, once and after a reconnect, what came since the last cursor', () => {
  const verifier = new Verifier();
  const ear = new StreamEar(verifier.listener('ann', ['c', 'd']));
  for (const n of [1, 2]) verifier.confirm('c', at(n), n);
  const message = (n: number) => ear.hear('message', JSON.stringify({ c: 'c', i: at(n), d: { n } }), '');
  ear.hear('open');
  message(1);
  ear.hear('cursor');
  message(2);
  ear.hear('open');
  ear.hear('cursor'); // of another channel, which was faster
  message(2);
  expect(ear.repeated).toBe(1);
  expect(verifier.violations({ isCaughtUp: false })).toEqual([]);
  message(2);
  expect(verifier.violations({ isCaughtUp: false })[0]).toContain('saw 2 (2-0~a) of c again');
});
