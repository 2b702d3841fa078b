import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../kernel/clock.js';

/** What is further away than that is no deadline, and no timer can wait for it. */
const farthestMs = 86_400_000;
/** Less is no epoch time in milliseconds: some other unit, of which nothing can be believed. */
const earliest = 1e12;

/** Until when an answer is of use to the client, in epoch ms; undefined where it does not say, or what nobody can have meant. */
export function deadlineOf(
  headers: IncomingHttpHeaders,
  name: string | false,
  clock: Pick<Clock, 'now'>,
): number | undefined {
  const text = name === false ? undefined : headers[name];
  if (typeof text !== 'string') return undefined;
  const at = /^\d+$/.test(text) ? Number(text) : isoDate.test(text) ? Date.parse(text) : Number.NaN;
  return at >= earliest && at <= clock.now() + farthestMs ? at : undefined;
}

const isoDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;
