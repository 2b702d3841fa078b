import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Positions } from './positions.js';

const epoch = 'e';
const following = (sequence = 0, maxTags = 100) => {
  const positions = new Positions(maxTags);
  positions.adopt({ epoch, sequence, floor: 0 });
  return positions;
};
const announcement = (sequence: number, ...tags: string[]) => ({ epoch, sequence, tags });

describe('positions', () => {
  it('apply announcements in order, and know of later ones while an earlier one is missing', () => {
    const positions = following();
    expect(positions.hear(announcement(1, 'x'))).toBe('applied');
    expect(positions.hear(announcement(3, 'z'))).toBe('ahead');
    expect([positions.applied, positions.isIncomplete]).toEqual([1, true]);
    expect(positions.check(['z'], 2)).toBe('moved');
    expect(positions.hear(announcement(2, 'y'))).toBe('applied');
    expect([positions.applied, positions.isIncomplete]).toEqual([3, false]);
    expect(positions.hear(announcement(2, 'y'))).toBe('known');
    expect(positions.hear({ epoch: 'other', sequence: 4, tags: [] })).toBe('foreign');
  });

  it('find valid what no tag has moved past', () => {
    const positions = following();
    positions.hear(announcement(1, 'x'));
    expect(positions.check(['x'], 0)).toBe('moved');
    expect(positions.check(['x'], 1)).toBe('valid');
    expect(positions.check(['x', 'y'], 1)).toBe('valid');
    expect(positions.check(['y'], 0)).toBe('valid');
  });

  it('do not know what happened to a tag before they began, until they are told', () => {
    const positions = following(10);
    expect(positions.check(['x'], 9)).toBe('unknown');
    expect(positions.check(['x'], 10)).toBe('valid');
    positions.learn({ epoch, sequence: 12, floor: 4 }, ['x', 'y', 'z'], [['z', 11]]);
    expect(positions.check(['x', 'y'], 4)).toBe('valid');
    expect(positions.check(['x', 'y'], 3)).toBe('moved');
    expect(positions.check(['z'], 10)).toBe('moved');
    expect(positions.applied).toBe(10);
    positions.learn({ epoch: 'other', sequence: 1, floor: 0 }, ['q'], []);
    expect(positions.check(['q'], 9)).toBe('unknown');
  });

  it('catch up with the log', () => {
    const positions = following();
    positions.hear(announcement(5, 'e'));
    positions.replay({
      clock: { epoch, sequence: 6, floor: 0 },
      moves: [
        ['a', 2],
        ['e', 5],
      ],
    });
    expect([positions.applied, positions.isIncomplete]).toEqual([6, false]);
    expect(positions.check(['a'], 1)).toBe('moved');
    expect(positions.check(['b'], 1)).toBe('valid');
  });

  it('know nothing of the time that a log does not tell', () => {
    const positions = following();
    positions.hear(announcement(1, 'x'));
    positions.replay({ clock: { epoch, sequence: 9, floor: 5 }, moves: undefined });
    expect(positions.applied).toBe(9);
    expect(positions.check(['x'], 8)).toBe('unknown');
    expect(positions.check(['x'], 9)).toBe('valid');
  });

  it('begin anew with another epoch', () => {
    const positions = following();
    positions.hear(announcement(1, 'x'));
    positions.replay({ clock: { epoch: 'next', sequence: 0, floor: 0 }, moves: [] });
    expect(positions.epoch).toBe('next');
    expect(positions.reached(epoch, 0)).toBe(false);
    expect(positions.check(['x'], 0)).toBe('valid');
  });

  it('advance their revision with everything that can turn a verdict, and not with what cannot', () => {
    const positions = following(5);
    const { number } = positions.revision;
    positions.learn({ epoch, sequence: 5, floor: 0 }, ['x'], [['x', 3]]);
    expect(positions.revision.number).toBe(number);
    positions.hear(announcement(6, 'x'));
    expect(positions.revision.number).toBeGreaterThan(number);
  });

  it('never call valid what an invalidation they were told of has made old, however little they may remember', () => {
    const tag = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    const history = fc.array(fc.array(tag, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(
        history,
        fc.integer({ min: 1, max: 4 }),
        fc.infiniteStream(fc.nat(5)),
        (moves, maxTags, dice) => {
          const positions = following(0, maxTags);
          const last = new Map<string, number>();
          const log = moves.map((tags, index) => announcement(index + 1, ...tags));
          for (const { sequence, tags } of log) for (const name of tags) last.set(name, sequence);
          // Some are lost, some come late; then the log is read.
          for (const heard of log) if (dice.next().value !== 0) positions.hear(heard);
          for (const heard of log) if (dice.next().value === 0) positions.hear(heard);
          const since = [...last].filter(([, sequence]) => sequence > positions.applied);
          positions.replay({ clock: { epoch, sequence: log.length, floor: 0 }, moves: since });
          expect(positions.applied).toBe(log.length);
          for (const [name, sequence] of last) {
            expect(positions.check([name], sequence - 1)).not.toBe('valid');
            if (positions.check([name], sequence) !== 'unknown') {
              expect(positions.check([name], sequence)).toBe('valid');
            }
          }
        },
      ),
    );
  });
});
