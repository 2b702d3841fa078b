import { cursorName, isCursor, parseCursor } from './cursor.js';
import type { Place } from './hub/reader.js';
import { parsePosition } from './position.js';

const malformed: Place = Object.freeze({ lost: 'malformed' });
const fromNowOn: Place = Object.freeze({});

/** Reads the position of one channel; absent means from now on. */
export function placeOf(since: string | undefined): Place {
  if (since === undefined || since === '') return fromNowOn;
  const at = parsePosition(since);
  return at === undefined ? malformed : { at };
}

/**
 * Reads where an event stream's client had been, as it says.
 *
 * A channel that a cursor does not name begins now: the client did not follow it. What cannot be read
 * is lost, not ignored.
 */
export function placesOf(channels: readonly string[], lastEventId: string | undefined): readonly Place[] {
  if (lastEventId === undefined || lastEventId === '') return channels.map(() => fromNowOn);
  if (!isCursor(lastEventId)) {
    // A plain position names no channel: only one can be meant.
    return channels.length === 1 ? [placeOf(lastEventId)] : channels.map(() => malformed);
  }
  const positions = parseCursor(lastEventId);
  if (positions === undefined) return channels.map(() => malformed);
  return channels.map((channel) => {
    const at = positions.get(cursorName(channel));
    return at === undefined ? fromNowOn : { at };
  });
}
