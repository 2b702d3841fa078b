/*
 * Positions are opaque to applications, and compared here only to leave out what came already, from a tab that held the
 * connection before, say: `<ms>-<seq>[.<index>]~<lineage>`. Numbers of one length sort as text does, and `~` behind `.`:
 * without an index it stands behind all messages of its packet.
 */
const sortable = (position: string): string => position.replace(/\d+/g, (digits) => digits.padStart(20, '0'));

/** Whether `a` is certainly not behind `b`: the same, or earlier in the same life of the data. */
export function isCovered(a: string, b: string): boolean {
  if (a === b) return a !== ''; // what is not kept has no position, and is always new
  const [, lineage] = a.split('~');
  return !!lineage && b.endsWith(`~${lineage}`) && sortable(a) <= sortable(b);
}
