import { cursorName, isCursor, parseCursor } from './cursor.js';
import type { Place } from './hub/reader.js';
import { parsePosition } from './position.js';

const malformed: Place = Object.freeze({ lost: 'malformed' });
const fromNowOn: Place = Object.freeze({});

/** More than a cursor may have, whatever is before it. */
const maxChars = 8_192;

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
  if (lastEventId.startsWith('{')) return ownPlacesOf(channels, lastEventId);
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

/** Positions by channel, as over a WebSocket: they count before what follows them. */
function ownPlacesOf(channels: readonly string[], text: string): readonly Place[] {
  const end = text.lastIndexOf('}') + 1;
  const own = text.length > maxChars ? undefined : positionsIn(text.slice(0, end));
  if (own === undefined) return channels.map(() => malformed);
  const others = placesOf(channels, text.slice(end));
  return channels.map((channel, index) => {
    const since = own.get(channel);
    return since === undefined ? (others[index] ?? fromNowOn) : placeOf(since);
  });
}

/** Undefined for anything that is no object of texts. Never throws. */
function positionsIn(json: string): ReadonlyMap<string, string> | undefined {
  try {
    const entries = Object.entries(JSON.parse(json) as object);
    return entries.every(([, since]) => typeof since === 'string') ? new Map(entries) : undefined;
  } catch {
    return undefined;
  }
}
