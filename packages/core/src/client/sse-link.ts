import { ConnectionFailedError, ConnectionRefusedError } from './errors.js';
import type { Frame } from './frames.js';
import type { LineInit, LinkEvents } from './line.js';
import { parseEvents } from './sse-parser.js';

const unstored = { cache: 'no-store' };
/** A header that is longer would not be read. */
const maxChars = 8_000;

/** Opens event streams, read with `fetch`: one goes on where the last one was. */
export function streamsOf(
  fetch: typeof globalThis.fetch,
  url: () => URL,
  headers: (credential: string | undefined) => Record<string, string>,
): LineInit['open'] {
  /** The positions of all channels, as the server has put them together. */
  let cursor = '';
  /** Those that have moved since. */
  let moved: Record<string, string> = {};
  return ({ wanted, heard, opened, frame, ended }, credential) => {
    const abort = new AbortController();
    const { signal } = abort;
    const fail = (what: string, cause?: unknown): void => ended(new ConnectionFailedError(what, cause));
    const parse = parseEvents(
      (type, data, id) => {
        if (signal.aborted) return;
        let received: Frame | undefined;
        try {
          received = frameOf(type, data && JSON.parse(data), id);
        } catch (cause) {
          return fail(`No event: ${data}.`, cause);
        }
        const { c, i } = (received ?? {}) as { readonly c?: string; readonly i?: string };
        if (c && i) moved[c] = i;
        if (id) {
          cursor = id;
          moved = {};
        }
        if (received) frame(received);
      },
      (afterMs) => frame({ t: 'bye', afterMs }),
    );
    const read = async (): Promise<void> => {
      const from = JSON.stringify({ ...moved, ...wanted() }).replace('{}', '') + cursor;
      const response = await fetch(url(), {
        headers: {
          // Of channels that are not named otherwise: even one is to say its name, and where it begins.
          accept: 'text/event-stream;format=envelope',
          // What does not fit is lost, and the server is to say so.
          ...(from && { 'last-event-id': from.length > maxChars ? '{' : from }),
          ...headers(credential),
        },
        ...unstored,
        signal,
      });
      const { status, body } = response;
      const type = response.headers.get('content-type');
      if (status !== 200 || !body || !type?.startsWith('text/event-stream')) {
        void body?.cancel();
        return ended(...refusalOf(response, type));
      }
      opened();
      const reader = body.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || signal.aborted) return ended();
        heard();
        parse(decoder.decode(value, { stream: true }));
      }
    };
    read().catch((cause) => fail('The stream broke off.', cause));
    // The server's route has decided what comes.
    return { send: () => {}, close: () => abort.abort() };
  };
}

/** The same as over a WebSocket; undefined for a cursor, and for what is not known. */
function frameOf(type: string, content: Record<string, unknown>, id = ''): Frame | undefined {
  const token = content?.t as string | undefined;
  // A position for an id belongs to a raw stream, whose messages are as they are; its cursor says where it begins.
  const isRaw = /^\d/.test(id);
  if (type === 'cursor') return isRaw ? { t: 'sub', i: id, token } : undefined;
  if (type === 'sub' || type === 'reset') return { ...(content as { i: string }), t: type, token };
  if (type !== 'message') return undefined;
  return isRaw ? { t: 'm', i: id, d: content } : { ...(content as { i: string; d: unknown }), t: 'm', token };
}

/** What an answer that is no stream means: that there is nothing to hear, that this client may not, or not now. */
function refusalOf({ status, headers }: Response, type: string | null): Parameters<LinkEvents['ended']> {
  if (status === 204) return [undefined, true];
  if (status > 299 && status < 500 && ![408, 425, 429].includes(status)) {
    return [new ConnectionRefusedError(status, ''), true];
  }
  const afterMs = 1_000 * (Number(headers.get('retry-after')) || 0);
  return [new ConnectionFailedError(`The answer was ${status}, ${type}.`), false, afterMs];
}
