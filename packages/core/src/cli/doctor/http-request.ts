import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as plain,
} from 'node:http';
import { request as secure } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a server answered, as far as it was read. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Whether all of the text was read. */
  readonly isWhole: boolean;
}

/** How to ask. */
export interface AskOptions {
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

const maxTextLength = 4_000_000;

/** Below a base path: `https://app/api` and `/health/ready` are `https://app/api/health/ready`. */
export function under(base: string, path: string): URL {
  const url = new URL(base);
  const [pathname = '', query = ''] = path.split('?', 2);
  url.pathname = url.pathname.replace(/\/$/, '') + pathname;
  url.search = query;
  return url;
}

/** Asks on a connection of its own, which it would keep: balancers choose anew for each connection. */
export async function ask(url: URL, options: AskOptions): Promise<HttpAnswer> {
  const { timeoutMs } = options;
  const { response, sent } = await begin(url, options);
  // What never ends, and is never silent for long, is no answer either.
  const timer = setTimeout(() => response.destroy(new SilenceError(url, timeoutMs)), timeoutMs);
  let text = '';
  let isWhole = true;
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk;
      if (text.length <= maxTextLength) continue;
      isWhole = false;
      break;
    }
  } finally {
    clearTimeout(timer);
    sent.destroy();
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text, isWhole };
}

/** The beginning of a stream. */
export interface StreamBeginning {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The bytes that came first; empty when it ended without any, undefined when none came in time. */
  readonly first: string | undefined;
}

/** Opens a stream, waits for its first bytes, and leaves. `undefined`: not even its head came in time. */
export async function askStream(
  url: URL,
  { timeoutMs, headers }: AskOptions,
): Promise<StreamBeginning | undefined> {
  const accept = { accept: 'text/event-stream', 'accept-encoding': 'gzip, br', ...headers };
  let begun: Begun;
  try {
    begun = await begin(url, { timeoutMs, headers: accept });
  } catch (cause) {
    if (cause instanceof SilenceError) return undefined;
    throw cause;
  }
  const { response, sent } = begun;
  const stop = new AbortController();
  try {
    const arrived = new Promise<string>((resolve) => {
      response.once('data', (chunk: Buffer) => resolve(chunk.toString()));
      response.once('end', () => resolve(''));
      response.once('error', () => resolve(''));
    });
    const first = await Promise.race([
      arrived,
      sleep(timeoutMs, undefined, { signal: stop.signal }).catch(() => undefined),
    ]);
    return { status: response.statusCode ?? 0, headers: response.headers, first };
  } finally {
    stop.abort();
    sent.destroy();
  }
}

/** Asks for a WebSocket: the status of the answer, `101` when it is one. Rejects when the connection just ends. */
export function askUpgrade(url: URL, { timeoutMs, headers }: AskOptions): Promise<number> {
  const sent = send(url, {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.from('pando doctor 16b').toString('base64'),
    'sec-websocket-protocol': 'pando.v1',
    origin: url.origin,
    ...headers,
  });
  const asked = new Promise<number>((resolve, reject) => {
    sent.once('upgrade', (_response, socket) => {
      socket.destroy();
      resolve(101);
    });
    sent.once('response', (response) => {
      sent.destroy();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
  return within(timeoutMs, asked, sent, url);
}

/** Nothing came within the time. */
class SilenceError extends Error {
  constructor(url: URL, timeoutMs: number) {
    super(`no answer from ${url.host} within ${timeoutMs} ms`);
  }
}

interface Begun {
  readonly sent: ClientRequest;
  readonly response: IncomingMessage;
}

function begin(url: URL, { timeoutMs, headers }: AskOptions): Promise<Begun> {
  const sent = send(url, { connection: 'keep-alive', ...headers });
  const begun = new Promise<Begun>((resolve, reject) => {
    sent.once('response', (response) => resolve({ sent, response }));
    sent.on('error', reject);
    sent.end();
  });
  return within(timeoutMs, begun, sent, url);
}

/** Gives up when nothing has come of it in time. The timeout of a request does not begin before there is a connection. */
async function within<Outcome>(
  timeoutMs: number,
  outcome: Promise<Outcome>,
  sent: ClientRequest,
  url: URL,
): Promise<Outcome> {
  const timer = setTimeout(() => sent.destroy(new SilenceError(url, timeoutMs)), timeoutMs);
  try {
    return await outcome;
  } finally {
    clearTimeout(timer);
  }
}

function send(url: URL, headers: Readonly<Record<string, string>>): ClientRequest {
  const request = url.protocol === 'https:' ? secure : plain;
  return request(url, { agent: false, headers: { 'user-agent': 'pando-doctor', ...headers } });
}
