/**
 * A point in the history of one channel: after which message a subscriber stands.
 *
 * As text: `<ms>-<seq>~<lineage>` after a whole entry, `<ms>-<seq>.<index>~<lineage>` after one of several
 * messages that share it. Opaque to clients.
 */
export interface Position {
  /** The entry, `<ms>-<seq>`: the id of a Redis stream entry. */
  readonly id: string;
  /** The message within the entry; undefined after the last one. */
  readonly index: number | undefined;
  /** In which life of the data set it was given out. */
  readonly lineage: string;
}

/** The id before the first entry of every channel. */
export const originId = '0-0';

/** What is announced as the lineage of an entry that is kept nowhere; no life of a data set has this name. */
export const unkept = '-';

const shape = /^(\d{1,15}-\d{1,20})(?:\.(\d{1,5}))?~([0-9a-z]{1,16})$/;

export function formatPosition({ id, index, lineage }: Position): string {
  return index === undefined ? `${id}~${lineage}` : `${id}.${index}~${lineage}`;
}

/** Reads what a client sent; undefined for anything that is no position. Never throws. */
export function parsePosition(text: string): Position | undefined {
  const match = text.length <= 64 ? shape.exec(text) : null;
  if (match === null) return undefined;
  const [, id = '', index, lineage = ''] = match;
  return { id: normalId(id), index: index === undefined ? undefined : Number(index), lineage };
}

/** Orders entry ids: negative when `a` is older. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  const dashA = a.indexOf('-');
  const dashB = b.indexOf('-');
  return (
    compareDigits(a.slice(0, dashA), b.slice(0, dashB)) ||
    compareDigits(a.slice(dashA + 1), b.slice(dashB + 1))
  );
}

/** Decimal numbers without leading zeros, which may have more digits than a number holds: the longer is the larger. */
function compareDigits(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** Ids are compared as text, so each has one spelling. */
function normalId(id: string): string {
  return id.replace(/(^|-)0+(?=\d)/g, '$1');
}
