import type { DbPosition } from '../kernel/token.js';

/*
 * demand   = [ position *( ";" position ) ]
 * position = shard "," system "," timeline(8 hex) lsn(16 hex)
 * Names are percent-encoded, so they hold neither "," nor ";". Scripts compare the last field as text.
 */

/** Database positions as the scripts merge them. */
export function encodeDemand(positions: readonly DbPosition[]): string {
  return positions
    .map(({ shard, system, timeline, lsn }) => {
      const place = timeline.toString(16).padStart(8, '0') + lsn.toString(16).padStart(16, '0');
      return `${encodeURIComponent(shard)},${encodeURIComponent(system)},${place}`;
    })
    .join(';');
}

/** Reads {@link encodeDemand}; throws for what is none. */
export function decodeDemand(text: string): readonly DbPosition[] {
  if (text === '') return [];
  return text.split(';').map((part) => {
    const [, shard = '', system = '', timeline = '', lsn = ''] = position.exec(part) ?? [];
    if (lsn === '') throw new Error(`not a database position: ${JSON.stringify(part)}`);
    return {
      shard: decodeURIComponent(shard),
      system: decodeURIComponent(system),
      timeline: Number.parseInt(timeline, 16),
      lsn: BigInt(`0x${lsn}`),
    };
  });
}

const position = /^([^,]*),([^,]*),([0-9a-f]{8})([0-9a-f]{16})$/;
