import type { Format } from '../hub/entry.js';

const keepAll = (frames: readonly Buffer[]): readonly Buffer[] => frames;

/** Messages of `pando.v1`. */
export const framedWs: Format<Buffer> = {
  slot: 3,
  encode: (entry, { data, token }, position) => {
    const causal = token === '' ? '' : `,"token":${JSON.stringify(token)}`;
    const head = `{"t":"m","c":${JSON.stringify(entry.channel)},"i":"${position}"${causal},"d":`;
    return Buffer.concat([Buffer.from(head), data, Buffer.from('}')]);
  },
  join: keepAll,
};

/** Messages for clients without a protocol: the event's JSON as it is. */
export const rawWs: Format<Buffer> = {
  slot: 4,
  encode: (_entry, { data }) => data,
  join: keepAll,
};
