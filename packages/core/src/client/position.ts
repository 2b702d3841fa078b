/*
 * Positions are opaque to applications, and compared here only to leave out what came already, from a tab that held the
 * connection before, say: `<ms>-<seq>[.<index>]~<lineage>`.
 */
const shape = /^(\d+)-(\d+)(?:\.(\d+))?~(.+)$/;

/** Whether `a` is certainly not behind `b`: the same, or earlier in the same life of the data. */
export function isCovered(a: string, b: string): boolean {
  if (a === b) return a !== ''; // what is not kept has no position, and is always new
  const [, ms = 0, seq = 0, index, lineage] = shape.exec(a) ?? [];
  const [, otherMs = 0, otherSeq = 0, otherIndex, otherLineage] = shape.exec(b) ?? [];
  if (lineage === undefined || lineage !== otherLineage) return false;
  const ahead =
    Number(ms) - Number(otherMs) ||
    Number(BigInt(seq) - BigInt(otherSeq)) ||
    // Without an index it stands behind all messages of its packet.
    (index === otherIndex ? 0 : Number(index ?? Number.MAX_VALUE) - Number(otherIndex ?? Number.MAX_VALUE));
  return ahead <= 0;
}
