import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DbPosition, dbToken, emptyToken, mergeTokens } from '../kernel/token.js';
import { type History, type Position, serves } from './position.js';
import { type Candidate, needOf, route } from './router.js';

const history: History = { system: 's1', timeline: 2 };
const at = (lsn: bigint, { timeline = 2, system = 's1' } = {}): Position => ({ system, timeline, lsn });
const wrote = (lsn: bigint, { timeline = 2, system = 's1', shard = 'main' } = {}) =>
  dbToken({ shard, system, timeline, lsn });
const replica = (position: Position | undefined, rest: Partial<Candidate> = {}): Candidate => ({
  isInRotation: true,
  isStalled: false,
  isPreferred: false,
  load: 1,
  position,
  ...rest,
});
const reader = { level: 'causal', token: emptyToken, inTransaction: false } as const;

describe('what a read needs', () => {
  it('is any server without a token', () => {
    expect(needOf(reader, 'main', history)).toEqual({ from: 'any', floor: undefined });
  });

  it("is a server that has the token's position", () => {
    const need = needOf({ ...reader, token: wrote(7n) }, 'main', history);
    expect(need).toMatchObject({ from: 'any', floor: { lsn: 7n } });
  });

  it('is any server for a position of another shard, or at the level eventual', () => {
    const other = wrote(7n, { shard: 'other' });
    expect(needOf({ ...reader, token: other }, 'main', history)).toEqual({ from: 'any', floor: undefined });
    const eventual = needOf({ ...reader, level: 'eventual', token: wrote(7n) }, 'main', history);
    expect(eventual).toEqual({ from: 'any', floor: undefined });
  });

  it.each([
    ['strong', { ...reader, level: 'strong' as const }],
    ['transaction', { ...reader, level: 'eventual' as const, inTransaction: true }],
    ['foreign', { ...reader, token: wrote(7n, { system: 's9' }) }],
    ['foreign', { ...reader, token: mergeTokens(wrote(7n, { system: 's9' }), wrote(7n)) }],
    ['foreign', { ...reader, token: wrote(7n, { timeline: 3 }) }],
    ['foreign', { ...reader, token: { ...emptyToken, opaque: ['2.a.b'] } }],
  ])('is the primary: %s', (reason, asked) => {
    expect(needOf(asked, 'main', history)).toEqual({ from: 'primary', reason });
  });
});

describe('the router', () => {
  it('sends a read to the least loaded replica that has the position', () => {
    const behind = replica(at(5n), { load: 0 });
    const busy = replica(at(9n), { load: 3 });
    const free = replica(at(8n), { load: 2 });
    expect(route(at(7n), history, [behind, busy, free], 0)).toEqual({ to: 'replica', replica: free });
  });

  it('prefers one that is near, however busy, and only if it has the position', () => {
    const near = replica(at(8n), { load: 9, isPreferred: true });
    const far = replica(at(9n));
    for (const turn of [0, 1])
      expect(route(at(8n), history, [far, near], turn)).toEqual({ to: 'replica', replica: near });
    expect(route(at(9n), history, [far, near], 0)).toEqual({ to: 'replica', replica: far });
  });

  it('takes turns between replicas with the same load', () => {
    const [a, b] = [replica(at(9n)), replica(at(9n))];
    const chosen = [0, 1].map((turn) => route(at(7n), history, [a, b], turn));
    expect(chosen.map((destination) => 'replica' in destination && destination.replica)).toEqual([a, b]);
  });

  it('waits for those in rotation when none has the position', () => {
    const behind = [replica(at(5n)), replica(at(6n)), replica(undefined)];
    const out = replica(at(6n), { isInRotation: false });
    expect(route(at(7n), history, [...behind, out], 0)).toEqual({ to: 'wait', replicas: behind });
  });

  it('does not wait for one that does not move', () => {
    const stalled = replica(at(6n), { isStalled: true });
    expect(route(at(7n), history, [stalled], 0)).toEqual({ to: 'primary', reason: 'behind' });
  });

  it('passes over replicas on another history', () => {
    const old = replica(at(100n, { timeline: 1 }));
    const foreign = replica(at(100n, { system: 's2' }));
    expect(route(at(7n), history, [old, foreign], 0)).toEqual({ to: 'primary', reason: 'behind' });
    expect(route(undefined, history, [old, foreign], 0)).toEqual({ to: 'primary', reason: 'behind' });
  });

  it('tells no replicas from none in rotation', () => {
    expect(route(undefined, history, [], 0)).toEqual({ to: 'primary', reason: 'single' });
    const out = replica(at(9n), { isInRotation: false });
    expect(route(undefined, history, [out], 0)).toEqual({ to: 'primary', reason: 'out' });
  });

  it('never chooses a replica that does not serve the floor, and always one that does', () => {
    const position: fc.Arbitrary<DbPosition> = fc.record({
      shard: fc.constant('main'),
      system: fc.constantFrom('s1', 's2'),
      timeline: fc.integer({ min: 1, max: 3 }),
      lsn: fc.bigInt({ min: 0n, max: 6n }),
    });
    const candidate: fc.Arbitrary<Candidate> = fc.record({
      isInRotation: fc.boolean(),
      isStalled: fc.boolean(),
      isPreferred: fc.boolean(),
      load: fc.nat({ max: 3 }),
      position: fc.option(position, { nil: undefined }),
    });
    fc.assert(
      fc.property(
        fc.option(position, { nil: undefined }),
        fc.array(candidate, { maxLength: 5 }),
        fc.nat(),
        (floor, replicas, turn) => {
          const fit = replicas.filter((r) => r.isInRotation && serves(r.position, floor, history));
          const destination = route(floor, history, replicas, turn);
          expect(destination.to === 'replica').toBe(fit.length > 0);
          if (destination.to === 'replica') {
            expect(fit).toContain(destination.replica);
            const preferred = fit.filter(({ isPreferred }) => isPreferred);
            const eligible = preferred.length > 0 ? preferred : fit;
            expect(eligible).toContain(destination.replica);
            expect(destination.replica.load).toBe(Math.min(...eligible.map(({ load }) => load)));
          }
          if (destination.to === 'wait') expect(destination.replicas.every((r) => r.isInRotation)).toBe(true);
        },
      ),
    );
  });
});
