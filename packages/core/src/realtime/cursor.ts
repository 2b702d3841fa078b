import { createHash } from 'node:crypto';
import type { Position } from './position.js';

/*
 * The positions of several channels as one `Last-Event-ID`:
 *
 * cursor = "c1" *( "~" lineage *( "!" name ms "-" seq [ "." index ] ) )
 *
 * `name` is six characters of the channel's hash, so that the set of channels may change between two connections;
 * `ms` is base 36, `seq` and `index` decimal. About 20 characters a channel, and 9 more for each lineage: in a cluster up to one a channel.
 */
const VERSION = 'c1';
/** More than any cursor of 128 channels has; longer ones are refused unread. */
const MAX_CHARS = 8_192;
const HASH_CHARS = 6;
const positionShape = /^([0-9a-z]{1,11})-(\d{1,20})(?:\.(\d{1,5}))?$/;

/** A channel's name within a cursor. */
export function cursorName(channel: string): string {
  return createHash('sha256').update(channel).digest('base64url').slice(0, HASH_CHARS);
}

/** One channel's part of a cursor. */
export function cursorPart(name: string, { id, index }: Position): string {
  const dash = id.indexOf('-');
  const suffix = index === undefined ? '' : `.${index}`;
  return `!${name}${Number(id.slice(0, dash)).toString(36)}${id.slice(dash)}${suffix}`;
}

/** Puts a cursor together from parts, which are grouped by lineage. */
export function formatCursor(parts: ReadonlyMap<string, string>): string {
  let text = VERSION;
  for (const [lineage, group] of parts) text += `~${lineage}${group}`;
  return text;
}

/** Whether a `Last-Event-ID` means to be a cursor. */
export function isCursor(text: string): boolean {
  return text.startsWith(VERSION);
}

/** Reads what a client sent: positions by {@link cursorName}; undefined for anything malformed. Never throws. */
export function parseCursor(text: string): ReadonlyMap<string, Position> | undefined {
  if (text.length > MAX_CHARS || !isCursor(text)) return undefined;
  const positions = new Map<string, Position>();
  const [head, ...groups] = text.split('~');
  if (head !== VERSION) return undefined;
  for (const group of groups) {
    const [lineage = '', ...parts] = group.split('!');
    if (!/^[0-9a-z]{1,16}$/.test(lineage)) return undefined;
    for (const part of parts) {
      const name = part.slice(0, HASH_CHARS);
      const match = positionShape.exec(part.slice(HASH_CHARS));
      const ms = Number.parseInt(match?.[1] ?? '', 36);
      // A name that occurs twice is two channels with one hash: neither can be told from the other.
      if (match === null || !Number.isSafeInteger(ms) || positions.has(name)) return undefined;
      const index = match[3] === undefined ? undefined : Number(match[3]);
      positions.set(name, { id: `${ms}-${BigInt(match[2] ?? 0)}`, index, lineage });
    }
  }
  return positions;
}
