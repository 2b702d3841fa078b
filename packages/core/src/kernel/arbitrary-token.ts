import fc from 'fast-check';
import { cacheToken, dbToken, emptyToken, mergeTokens, pendingToken, type Token } from './token.js';

const name = fc.constantFrom('a', 'b', 'main', 'zürich~*!.');

const single: fc.Arbitrary<Token> = fc.oneof(
  fc
    .record({
      shard: name,
      system: name,
      timeline: fc.integer({ min: 1, max: 3 }),
      lsn: fc.oneof(fc.bigInt(0n, 4n), fc.bigInt(0n, 2n ** 64n - 1n)),
    })
    .map(dbToken),
  fc.record({ epoch: name, sequence: fc.oneof(fc.nat(3), fc.maxSafeNat()) }).map(cacheToken),
  name.map(pendingToken),
);

/** Any token that can come about: merges of single coordinates, often of the same shard or epoch. */
export const arbitraryToken: fc.Arbitrary<Token> = fc
  .array(single, { maxLength: 6 })
  .map((parts) => parts.reduce(mergeTokens, emptyToken));
