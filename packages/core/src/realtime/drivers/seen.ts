import { emptyToken, mergeTokens, type Token } from '../../kernel/token.js';

/*
 * A token as scores and members of a sorted set, which Redis merges by itself: it keeps the larger score of each member.
 * Scores are doubles: positions beyond 2^53 (eight petabytes of log) are rounded up, to what has seen more.
 */

/** Scores and members, alternately. What a newer release has signed cannot be told apart, and stays in the events alone. */
export function seenArguments({ db, cache, pending }: Token): (string | number)[] {
  return [
    ...db.flatMap(({ shard, system, timeline, lsn }) => [
      roundedUp(lsn),
      `d ${encodeURIComponent(shard)} ${encodeURIComponent(system)} ${timeline}`,
    ]),
    ...cache.flatMap(({ epoch, sequence }) => [sequence, `c ${encodeURIComponent(epoch)}`]),
    ...pending.flatMap((row) => [0, `p ${encodeURIComponent(row)}`]),
  ];
}

/** The token of members and scores; what cannot be read is left out. */
export function seenToken(fields: readonly Buffer[]): Token {
  let token = emptyToken;
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const part = coordinate(String(fields[at]), Number(fields[at + 1]));
    if (part !== undefined) token = mergeTokens(token, part);
  }
  return token;
}

function coordinate(member: string, score: number): Token | undefined {
  const [kind, first = '', second = '', third = ''] = member.split(' ').map(decodeURIComponent);
  switch (kind) {
    case 'd': {
      const position = {
        shard: first,
        system: second,
        timeline: Number(third),
        lsn: BigInt(Math.ceil(score)),
      };
      return { ...emptyToken, db: [position] };
    }
    case 'c':
      return { ...emptyToken, cache: [{ epoch: first, sequence: score }] };
    case 'p':
      return { ...emptyToken, pending: [first] };
    default:
      return undefined;
  }
}

function roundedUp(lsn: bigint): number {
  const nearest = Number(lsn);
  return BigInt(nearest) >= lsn ? nearest : nearest * (1 + Number.EPSILON);
}
