import { cacheToken, dbToken, emptyToken, mergeTokens, pendingToken, type Token } from '../kernel/token.js';

/*
 * The coordinates of a token as fields of a hash, with positions of fixed width: their order as text is their order.
 *
 *   d <shard> NUL <system>   timeline (8 digits) lsn (16 digits), hexadecimal
 *   c <epoch>                sequence (14 digits), hexadecimal
 *   p <row>                  nothing
 *   o <text>                 nothing
 */

const hex = (value: number | bigint, digits: number): string => value.toString(16).padStart(digits, '0');

/** Fields and positions in turn, as the script takes them. */
export function fieldsOf(token: Token): readonly string[] {
  return [
    ...token.db.flatMap((p) => [`d${p.shard}\0${p.system}`, hex(p.timeline, 8) + hex(p.lsn, 16)]),
    ...token.cache.flatMap((p) => [`c${p.epoch}`, hex(p.sequence, 14)]),
    ...token.pending.flatMap((row) => [`p${row}`, '']),
    ...token.opaque.flatMap((text) => [`o${text}`, '']),
  ];
}

/**
 * The token of fields and values in turn, as Redis replies them.
 *
 * @throws on a field that this release does not know: what a later one keeps is not to be passed over.
 */
export function tokenOf(reply: readonly string[]): Token {
  let token = emptyToken;
  for (let at = 0; at + 1 < reply.length; at += 2) {
    const [position = ''] = (reply[at + 1] as string).split('@', 1);
    token = mergeTokens(token, coordinateOf(reply[at] as string, position));
  }
  return token;
}

function coordinateOf(field: string, position: string): Token {
  const name = field.slice(1);
  switch (field[0]) {
    case 'd': {
      const [shard = '', system = ''] = name.split('\0');
      const timeline = Number.parseInt(position.slice(0, 8), 16);
      return dbToken({ shard, system, timeline, lsn: BigInt(`0x${position.slice(8)}`) });
    }
    case 'c':
      return cacheToken({ epoch: name, sequence: Number.parseInt(position, 16) });
    case 'p':
      return pendingToken(name);
    case 'o':
      return { ...emptyToken, opaque: [name] };
    default:
      throw new Error(`A later release keeps coordinates of the kind "${field[0]}".`);
  }
}
