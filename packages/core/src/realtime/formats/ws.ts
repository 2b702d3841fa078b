import { textFrame } from '../../kernel/text-frames.js';
import type { Format } from '../hub/entry.js';

const end = Buffer.from('}');

const join = (frames: readonly Buffer[]): Buffer =>
  frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames);

/** Messages of `pando.v1`. */
export const framedWs: Format<Buffer, Buffer> = {
  slot: 3,
  encode: (entry, { data, token }, position) => {
    const causal = token === '' ? '' : `,"token":${JSON.stringify(token)}`;
    const head = `{"t":"m","c":${JSON.stringify(entry.channel)},"i":"${position}"${causal},"d":`;
    return textFrame(Buffer.from(head), data, end);
  },
  join,
};

/** Messages for clients without a protocol: the event's JSON as it is. */
export const rawWs: Format<Buffer, Buffer> = {
  slot: 4,
  encode: (_entry, { data }) => textFrame(data),
  join,
};
