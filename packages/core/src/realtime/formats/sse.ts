import { SharedBytes } from '../../kernel/shared-bytes.js';
import type { Format } from '../hub/entry.js';
import { formatSseEvent } from '../sse-format.js';

const join = (frames: readonly Buffer[]): SharedBytes =>
  new SharedBytes(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));

/** One channel: the position is the event's id, so the same bytes go to everybody. */
export const rawSse: Format<Buffer, SharedBytes> = {
  slot: 1,
  encode: (_entry, { data }, position) =>
    Buffer.from(formatSseEvent({ id: position, data: data.toString('utf8') })),
  join,
};

/** Several channels: the position is in the envelope, and a cursor of all follows. */
export const envelopeSse: Format<Buffer, SharedBytes> = {
  slot: 2,
  encode: (entry, { data, token }, position) => {
    const t = token === '' ? '' : `,"t":${JSON.stringify(token)}`;
    const envelope = `{"c":${JSON.stringify(entry.channel)},"i":"${position}"${t},"d":${data.toString('utf8')}}`;
    return Buffer.from(formatSseEvent({ data: envelope }));
  },
  join,
};
