import { packHeader, packMessage, unpackEntry } from '../packing.js';
import type { Announcement, OutgoingMessage } from '../ports.js';
import { originId, unkept } from '../position.js';

/*
 * Channels that services outside the fleet know, too: one PUBLISH on the bare name for each event, the payload is its JSON.
 * There is no room for who has published it, for a token or a trace.
 */

const nobody = Buffer.from(packHeader(''));
/** Reads as no entry. */
const unreadable = Buffer.alloc(0);

/** The payload of each message. */
export function plainPayloads(messages: readonly OutgoingMessage[]): Buffer[] {
  const all = Buffer.concat([nobody, ...messages.map(({ packed }) => packed)]);
  return unpackEntry(all)?.messages.map(({ data }) => data) ?? [];
}

/** What anybody has published there, as an announcement; of an entry that cannot be read where it is not JSON. */
export function readPlain(payload: Buffer): Announcement {
  return { lineage: unkept, id: originId, prev: originId, packed: packed(payload.toString('utf8')) };
}

function packed(json: string): Buffer {
  try {
    JSON.parse(json);
    return Buffer.concat([nobody, packMessage('', json)]);
  } catch {
    return unreadable;
  }
}
