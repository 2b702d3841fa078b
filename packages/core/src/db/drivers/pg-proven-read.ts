import type pg from 'pg';
import type { NativeShape, Proven } from '../ports.js';
import { shapeOf } from './pg-query.js';
import { type ObservedRow, type ReportRow, reportOf, upToOf } from './pg-statements.js';

/** What a proven read consists of, in the order in which it is sent. */
type Parts = readonly [
  begun: Promise<pg.QueryResult>,
  proof: Promise<pg.QueryResult<ReportRow>>,
  read: Promise<pg.QueryResult>,
  observed: Promise<pg.QueryResult<ObservedRow> | undefined>,
  ended: Promise<pg.QueryResult>,
];

/** Each statement sees what was committed before it: the position comes first, and the read sees at least that. */
export const beginProvenText = 'begin isolation level read committed, read only';

/**
 * Puts the answers to a proven read together. A pooler carries a transaction on one server, so all of them are of the same.
 *
 * Rejects with the first failure: without BEGIN the others may have gone to different servers. How the transaction ends
 * does not matter, since it has changed nothing.
 */
export async function provenRead<R>(
  native: NativeShape | undefined,
  segmentBytes: bigint | undefined,
  send: () => Parts,
): Promise<Proven<R>> {
  const [begun, proof, read, observed] = await Promise.allSettled(send());
  for (const part of [begun, proof, read, observed]) if (part.status === 'rejected') throw part.reason;
  const [report] = fulfilled(proof).rows;
  const row = fulfilled(observed)?.rows[0];
  return {
    result: shapeOf<R>(fulfilled(read), native),
    proof: reportOf(report as ReportRow),
    upTo: row && segmentBytes !== undefined ? upToOf(row, segmentBytes) : undefined,
  };
}

function fulfilled<T>(part: PromiseSettledResult<T>): T {
  return (part as PromiseFulfilledResult<T>).value;
}
