import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  type CachePosition,
  type DbPosition,
  emptyToken,
  isRow,
  manyOthers,
  manyRows,
  mergeTokens,
  type Token,
} from './token.js';

/** What became of a token that arrived from outside. */
export type DecodedToken =
  | { readonly kind: 'token'; readonly token: Token }
  /** Not a token, or signed by somebody else: read it as no token, and count it. */
  | { readonly kind: 'malformed' | 'foreign' };

/** Tokens as text for headers, cookies, events and jobs: opaque, signed, versioned; about 80 bytes for one database. */
export interface TokenCodec {
  encode(token: Token): string;
  /** Never throws. */
  decode(text: string): DecodedToken;
}

/*
 * token   = signed *( "!" signed )                   ; what newer releases wrote is carried behind ours
 * signed  = version "." body "." mac                 ; the mac covers kit name, version and body
 * body    = [ field *( "*" field ) ]
 * field   = "d" shard "~" system "~" timeline "~" lsn  /  "c" epoch "~" sequence  /  "p" row
 * Numbers are base 36, texts base64url, so every character may stand in a cookie value (RFC 6265).
 */
const VERSION = '1';
const MAX_CHARS = 4_096;
/** With more, a token says only that there are many: what is too long for {@link MAX_CHARS} would be read as no token. */
const MAX_PENDING = 16;
const shape = /^([0-9a-z]{1,4})\.([A-Za-z0-9_*~-]*)\.([A-Za-z0-9_-]{22})$/;

/** Builds the codec of one kit. The secret is the fleet's: every instance must have the same. It is asked for on use, since it may be learned late. */
export function createTokenCodec(name: string, secret: () => string): TokenCodec {
  /** HMAC-SHA-256 truncated to 128 bits (RFC 2104, section 5). */
  const macOf = (version: string, body: string): Buffer =>
    createHmac('sha256', secret()).update(`${name}\0${version}.${body}`).digest().subarray(0, 16);

  const decodeOne = (text: string): DecodedToken => {
    const match = shape.exec(text);
    if (match === null) return { kind: 'malformed' };
    const [, version = '', body = '', mac = ''] = match;
    if (!timingSafeEqual(macOf(version, body), Buffer.from(mac, 'base64url'))) return { kind: 'foreign' };
    if (version !== VERSION) return { kind: 'token', token: { ...emptyToken, opaque: [text] } };
    const token = decodeBody(body);
    return token === undefined ? { kind: 'malformed' } : { kind: 'token', token };
  };

  return {
    encode(token) {
      const body = encodeBody(token);
      const own = `${VERSION}.${body}.${macOf(VERSION, body).toString('base64url')}`;
      const opaque = token.opaque.filter((text) => text !== ''); // see unknownToken
      return body === '' && opaque.length > 0 ? opaque.join('!') : [own, ...opaque].join('!');
    },
    decode(text) {
      if (text.length > MAX_CHARS) return { kind: 'malformed' };
      let token = emptyToken;
      for (const part of text.split('!')) {
        const decoded = decodeOne(part);
        if (decoded.kind !== 'token') return decoded;
        token = mergeTokens(token, decoded.token);
      }
      return { kind: 'token', token };
    },
  };
}

const encodeText = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');
const decodeText = (text: string): string => Buffer.from(text, 'base64url').toString('utf8');

function encodeBody(token: Token): string {
  return [
    ...token.db.map(
      (p) =>
        `d${encodeText(p.shard)}~${encodeText(p.system)}~${p.timeline.toString(36)}~${p.lsn.toString(36)}`,
    ),
    ...token.cache.map((p) => `c${encodeText(p.epoch)}~${p.sequence.toString(36)}`),
    ...pendingOf(token).map((row) => `p${encodeText(row)}`),
  ].join('*');
}

function pendingOf({ pending }: Token): readonly string[] {
  if (pending.length <= MAX_PENDING) return pending;
  const rows = pending.filter((id) => id === manyRows || isRow(id));
  const others = pending.filter((id) => !rows.includes(id));
  return [
    ...(rows.length > MAX_PENDING ? [manyRows] : rows),
    ...(others.length > MAX_PENDING ? [manyOthers] : others),
  ];
}

function decodeBody(body: string): Token | undefined {
  let token = emptyToken;
  for (const field of body === '' ? [] : body.split('*')) {
    const part = decodeField(field);
    if (part === undefined) return undefined;
    token = mergeTokens(token, part);
  }
  return token;
}

function decodeField(field: string): Token | undefined {
  const parts = field.slice(1).split('~');
  switch (field[0]) {
    case 'd': {
      const position = decodeDb(parts);
      return position && { ...emptyToken, db: [position] };
    }
    case 'c': {
      const position = decodeCache(parts);
      return position && { ...emptyToken, cache: [position] };
    }
    case 'p':
      return { ...emptyToken, pending: [decodeText(parts[0] ?? '')] };
    default:
      return undefined;
  }
}

function decodeDb([shard = '', system = '', timeline = '', lsn = '']: readonly string[]):
  | DbPosition
  | undefined {
  const tli = decodeNumber(timeline);
  const position = decodeLsn(lsn);
  if (tli === undefined || position === undefined) return undefined;
  return { shard: decodeText(shard), system: decodeText(system), timeline: tli, lsn: position };
}

function decodeCache([epoch = '', sequence = '']: readonly string[]): CachePosition | undefined {
  const count = decodeNumber(sequence);
  return count === undefined ? undefined : { epoch: decodeText(epoch), sequence: count };
}

function decodeNumber(text: string): number | undefined {
  const value = /^[0-9a-z]{1,11}$/.test(text) ? Number.parseInt(text, 36) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Log positions have 64 bits, more than a number holds exactly. */
function decodeLsn(text: string): bigint | undefined {
  if (!/^[0-9a-z]{1,13}$/.test(text)) return undefined;
  let value = 0n;
  for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return value;
}
