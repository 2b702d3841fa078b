import { messageOf } from '../../kernel/errors.js';
import { redisInstruments } from '../../redis/metrics.js';
import type { Sighting } from './fleet-sight.js';
import { ask, askStream, askUpgrade, type HttpAnswer, type StreamBeginning, under } from './http-request.js';
import { placeOf } from './words.js';

/** Where to look, and for how long. */
export interface HttpPlaceOptions {
  readonly url: string;
  /** Whether an instance is asked itself, and not through what stands before it. */
  readonly isDirect: boolean;
  readonly readyPath: string;
  readonly metricsPath: string;
  /** Path of an event stream, where one is to be opened. */
  readonly stream: string | undefined;
  /** Path of the WebSockets, where one is to be opened. */
  readonly ws: string | undefined;
  readonly timeoutMs: number;
}

/** What there is to see of an app over HTTP. */
export interface HttpServer {
  /** `host:port`. */
  readonly label: string;
  readonly isDirect: boolean;
  readonly readyPath: string;
  readonly metricsPath: string;
  /** Answers to readiness, each on a connection of its own; at least one. */
  readonly answers: readonly HttpAnswer[];
  /** Why others of these requests came to nothing. */
  readonly failures: readonly string[];
  readonly metrics: HttpAnswer | undefined;
  /** What came of the stream that was opened; no beginning: not even its head came in time. */
  readonly stream: Attempt<{ readonly beginning: StreamBeginning | undefined }> | undefined;
  /** What came of the handshake, and of the same request without the wish for a WebSocket where that was refused. */
  readonly upgrade:
    | Attempt<{ readonly status: number; readonly plainStatus: number | undefined }>
    | undefined;
  readonly sightings: readonly Sighting[];
}

/** What came of something under a path, or why nothing did. */
export type Attempt<Outcome> = { readonly path: string } & (Outcome | { readonly failure: string });

/** Through a balancer: enough to meet each of a few instances. */
const visits = 24;

/** Asks an app how it is; rejects when nobody answers. */
export async function lookAtHttp(options: HttpPlaceOptions): Promise<HttpServer> {
  const { url, isDirect, readyPath, metricsPath, stream, ws, timeoutMs } = options;
  const answers: HttpAnswer[] = [];
  const failures: string[] = [];
  const sightings: Sighting[] = [];
  const endsAt = performance.now() + 2 * timeoutMs;
  for (let n = 0; n < (isDirect ? 1 : visits) && performance.now() < endsAt; n++) {
    try {
      const answer = await ask(under(url, readyPath), { timeoutMs });
      answers.push(answer);
      const id = idOf(answer);
      if (id === undefined) break;
      sightings.push({ id, isDirect, hasRedis: undefined });
    } catch (cause) {
      if (answers.length === 0) throw cause;
      failures.push(messageOf(cause));
    }
  }
  const metrics = await ask(under(url, metricsPath), { timeoutMs }).catch(() => undefined);
  const metricsId = metrics && idOf(metrics);
  if (metrics?.status === 200 && metricsId !== undefined)
    sightings.push({ id: metricsId, isDirect, hasRedis: tellsOfRedis(metrics) });
  return {
    label: placeOf(url, url.startsWith('https:') ? 443 : 80),
    isDirect,
    readyPath,
    metricsPath,
    answers,
    failures,
    metrics,
    stream: await attempt(stream, async (path) => ({
      beginning: await askStream(under(url, path), { timeoutMs }),
    })),
    upgrade: await attempt(ws, async (path) => {
      const status = await askUpgrade(under(url, path), { timeoutMs });
      const isRefused = status === 401 || status === 403 || status === 429;
      const plain = isRefused ? await ask(under(url, path), { timeoutMs }) : undefined;
      return { status, plainStatus: plain?.status };
    }),
    sightings,
  };
}

async function attempt<Outcome extends object>(
  path: string | undefined,
  work: (path: string) => Promise<Outcome>,
): Promise<Attempt<Outcome> | undefined> {
  if (path === undefined) return undefined;
  try {
    return { path, ...(await work(path)) };
  } catch (cause) {
    return { path, failure: messageOf(cause) };
  }
}

/** Undefined where these are no metrics of Pando, or not all of them. */
function tellsOfRedis({ text, isWhole }: HttpAnswer): boolean | undefined {
  if (text.includes(redisInstruments.up.name)) return true;
  return isWhole && text.includes('pando_') ? false : undefined;
}

function idOf({ headers }: HttpAnswer): string | undefined {
  const id = headers['x-pando-instance'];
  return typeof id === 'string' ? id : undefined;
}
