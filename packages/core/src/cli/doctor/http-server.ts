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
  readonly metrics: HttpAnswer | undefined;
  /** What came of the stream that was opened: no head in time, or an error of the connection. */
  readonly stream: { readonly path: string; readonly beginning: StreamBeginning | undefined } | undefined;
  readonly upgrade: { readonly path: string; readonly status: number } | undefined;
  readonly sightings: readonly Sighting[];
}

/** Through a balancer: enough to meet each of a few instances. */
const visits = 24;

/** Asks an app how it is; rejects when nobody answers. */
export async function lookAtHttp(options: HttpPlaceOptions): Promise<HttpServer> {
  const { url, isDirect, readyPath, metricsPath, stream, ws, timeoutMs } = options;
  const answers: HttpAnswer[] = [];
  const sightings: Sighting[] = [];
  for (let n = 0; n < (isDirect ? 1 : visits); n++) {
    const answer = await ask(under(url, readyPath), { timeoutMs });
    answers.push(answer);
    const id = idOf(answer);
    if (id === undefined) break;
    sightings.push({ id, isDirect, hasRedis: undefined });
  }
  const metrics = await ask(under(url, metricsPath), { timeoutMs }).catch(() => undefined);
  const metricsId = metrics && idOf(metrics);
  if (metrics?.status === 200 && metricsId !== undefined)
    sightings.push({ id: metricsId, isDirect, hasRedis: metrics.text.includes(redisInstruments.up.name) });
  return {
    label: placeOf(url, url.startsWith('https:') ? 443 : 80),
    isDirect,
    readyPath,
    metricsPath,
    answers,
    metrics,
    stream:
      stream === undefined
        ? undefined
        : { path: stream, beginning: await askStream(under(url, stream), { timeoutMs }) },
    upgrade:
      ws === undefined ? undefined : { path: ws, status: await askUpgrade(under(url, ws), { timeoutMs }) },
    sightings,
  };
}

function idOf({ headers }: HttpAnswer): string | undefined {
  const id = headers['x-pando-instance'];
  return typeof id === 'string' ? id : undefined;
}
