import { describe, expect, it } from 'vitest';
import { cacheToken, dbToken, emptyToken, mergeTokens, pendingToken, type Token } from '../kernel/token.js';
import { demandOf, raiseToken, reachesDemand, readPrimary } from './freshness.js';

const at = (sequence: number, epoch = 'e') => cacheToken({ epoch, sequence });
const opaque = (text: string): Token => ({ ...emptyToken, opaque: [text] });
const position = { shard: 'main', system: '7', timeline: 1, lsn: 5n };

describe('what a token demands', () => {
  it('is nothing, an invalidation, an epoch that is gone, or too much', () => {
    expect(demandOf(dbToken(position))).toEqual({ kind: 'any' });
    expect(demandOf(at(3))).toEqual({ kind: 'at', position: { epoch: 'e', sequence: 3 } });
    expect(demandOf(mergeTokens(at(3), at(1, 'f')))).toEqual({ kind: 'gone' });
    expect(demandOf(mergeTokens(at(3), pendingToken('row')))).toEqual({ kind: 'beyond' });
    expect(demandOf(opaque('9.x.y'))).toEqual({ kind: 'beyond' });
    expect(demandOf(opaque(readPrimary))).toEqual({ kind: 'any' });
  });
});

describe('a local value', () => {
  it('reaches who has seen nothing newer than is known', () => {
    expect(reachesDemand(emptyToken, 'e', 0)).toBe(true);
    expect(reachesDemand(at(3), 'e', 3)).toBe(true);
    expect(reachesDemand(at(4), 'e', 3)).toBe(false);
    expect(reachesDemand(at(1), 'f', 3)).toBe(false);
    expect(reachesDemand(mergeTokens(at(1), at(1, 'f')), 'e', 3)).toBe(false);
    expect(reachesDemand(pendingToken('row'), 'e', 3)).toBe(false);
    expect(reachesDemand(opaque('9.x.y'), 'e', 3)).toBe(false);
  });
});

describe('the token of a load', () => {
  const clock = { epoch: 'e', sequence: 7, floor: 0 };

  it('covers the caller, what its tags demand, and the clock', () => {
    const caller = mergeTokens(at(3), dbToken({ ...position, shard: 'other' }));
    const token = raiseToken(caller, { clock, moves: [], written: [position], inDoubt: false });
    expect(token).toEqual({
      ...mergeTokens(caller, dbToken(position)),
      cache: [{ epoch: 'e', sequence: 7 }],
    });
  });

  it('asks for the primary while it is not known what its tags demand', () => {
    const token = raiseToken(emptyToken, { clock, moves: [], written: [], inDoubt: true });
    expect(token.opaque).toEqual([readPrimary]);
  });
});
