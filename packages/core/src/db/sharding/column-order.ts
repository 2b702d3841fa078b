import { ScatterMergeError } from './errors.js';

/** A value of one column as its server writes it, with the type's object id. */
export interface ColumnValue {
  readonly type: number;
  readonly text: string | null;
}

/** Compares two values of one type, neither of them null. */
export type TextOrder = (a: string, b: string) => number;

const sign = <T>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** As the servers order UTF-8: by bytes, which is not the order of UTF-16. */
const byBytes: TextOrder = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** NaN is the greatest of all. */
const byFloat: TextOrder = (a, b) => {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? Number(Number.isNaN(x)) - Number(Number.isNaN(y)) : sign(x, y);
};

const byDecimal: TextOrder = (a, b) => {
  const [x, y] = [decimalOf(a), decimalOf(b)];
  if (x === undefined || y === undefined) return byFloat(a, b); // NaN and the infinities
  const [left, right] = aligned(x, y);
  return sign(left, right);
};

const byInstant: TextOrder = (a, b) => sign(microsecondsOf(a), microsecondsOf(b));

const texts: ReadonlySet<number> = new Set([25, 1042, 1043]); // text, bpchar, varchar
const orders: ReadonlyMap<number, TextOrder> = new Map([
  ...[20, 21, 23, 26].map((type) => [type, (a: string, b: string) => sign(BigInt(a), BigInt(b))] as const), // int8, int2, int4, oid
  [1700, byDecimal],
  ...[700, 701].map((type) => [type, byFloat] as const), // float4, float8
  ...[1082, 1114, 1184].map((type) => [type, byInstant] as const), // date, timestamp, timestamptz
  ...[16, 1083, 2950].map((type) => [type, sign<string>] as const), // bool, time, uuid: their texts sort as they do
  [19, byBytes], // name
]);

/** How values of a type are ordered; throws `ScatterMergeError` where that is not known here. */
export function orderOf(column: string, type: number, collate: 'C' | undefined): TextOrder {
  const order = texts.has(type) && collate === 'C' ? byBytes : orders.get(type);
  if (order !== undefined) return order;
  const why = texts.has(type)
    ? 'is text, whose order depends on the servers: say collate: "C", or give compare'
    : `has a type (${type}) whose order is not known here: cast it in the statement, or give compare`;
  throw new ScatterMergeError(`The column ${column} of db.scatter ${why}.`);
}

/** The sum of two values of one type; throws `ScatterMergeError` where that is not known here. */
export function addTexts(column: string, type: number, a: string, b: string): string {
  if (type === 700 || type === 701) return String(Number(a) + Number(b));
  const [x, y] = [decimalOf(a), decimalOf(b)];
  if (![20, 21, 23, 1700].includes(type) || x === undefined || y === undefined)
    throw new ScatterMergeError(`The column ${column} of db.scatter cannot be added up: cast it to numeric.`);
  const [left, right, scale] = aligned(x, y);
  return formatDecimal(left + right, scale);
}

interface Decimal {
  readonly digits: bigint;
  /** How many of them stand behind the point. */
  readonly scale: number;
}

function decimalOf(text: string): Decimal | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, minus = '', whole = '', fraction = ''] = match;
  return { digits: BigInt(`${minus}${whole}${fraction}`), scale: fraction.length };
}

function aligned(x: Decimal, y: Decimal): [bigint, bigint, number] {
  const scale = Math.max(x.scale, y.scale);
  const raise = ({ digits, scale: own }: Decimal) => digits * 10n ** BigInt(scale - own);
  return [raise(x), raise(y), scale];
}

function formatDecimal(digits: bigint, scale: number): string {
  if (scale === 0) return String(digits);
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0');
  return `${digits < 0n ? '-' : ''}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

const instant =
  /^(\d{4,6})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?)?( BC)?$/;
const farthest = 1n << 80n;

/** A point in time, exact: a `Date` knows milliseconds only. */
function microsecondsOf(text: string): bigint {
  if (text === 'infinity') return farthest;
  if (text === '-infinity') return -farthest;
  const match = instant.exec(text);
  if (match === null)
    throw new ScatterMergeError(
      `db.scatter cannot order ${text}: it needs the server's DateStyle to be ISO.`,
    );
  const [, year, month, day, hour, minute, second, fraction = '', side, ...offset] = match;
  const bc = offset.pop();
  const n = (part: string | undefined): number => Number(part ?? 0);
  const days = daysOf(bc === undefined ? n(year) : 1 - n(year), n(month), n(day));
  const away = (n(offset[0]) * 60 + n(offset[1])) * 60 + n(offset[2]);
  const seconds = days * 86_400 + (n(hour) * 60 + n(minute)) * 60 + n(second) - (side === '-' ? -away : away);
  return BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
}

/** Days of the Gregorian calendar since 1970-01-01, for any year (H. Hinnant, days_from_civil). */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const yearOfEra = y - era * 400;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
