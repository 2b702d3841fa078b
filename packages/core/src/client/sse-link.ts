import { ConnectionFailedError, refusedWith } from './errors.js';
import type { MessageFrame } from './frames.js';
import type { LineInit } from './line.js';
import { parseEvents } from './sse-parser.js';

/** A header that is longer would not be read. */
const maxChars = 8_000;

/** Opens event streams, read with `fetch`: one goes on where the last one was. */
export function streamsOf(
  fetch: typeof globalThis.fetch,
  url: () => URL,
  headers: (credential: string) => Record<string, string>,
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
        let received: MessageFrame;
        try {
          const content = JSON.parse(data || '{}');
          // The same as over a WebSocket.
          received = { ...content, t: type === 'message' ? 'm' : type, token: content.t };
        } catch (cause) {
          return fail(`No frame: ${data}.`, cause);
        }
        const { c, i } = received;
        if (c && i) moved[c] = i;
        if (id) {
          cursor = id;
          moved = {};
        }
        frame(received);
      },
      (afterMs) => frame({ t: 'bye', afterMs }),
    );
    const read = async (): Promise<void> => {
      const from = JSON.stringify({ ...moved, ...wanted() }).replace('{}', '') + cursor;
      const response = await fetch(url(), {
        headers: {
          // In which even one channel says its name, and where it begins.
          accept: 'text/event-stream;format=envelope',
          // What does not fit is lost, and the server is to say so.
          ...(from && { 'last-event-id': from.length > maxChars ? '{' : from }),
          ...headers(credential),
        },
        ...{ cache: 'no-store' }, // for what takes part of Node's types for a browser's
        signal,
      });
      const { status, body } = response;
      const type = response.headers.get('content-type');
      if (status !== 200 || !body || !type?.startsWith('text/event-stream')) {
        void body?.cancel();
        if (status === 204) return ended(undefined, true); // there is nothing to hear
        if (/^(3|4(?!08|25|29))/.test(`${status}`)) return ended(refusedWith(status));
        const afterMs = 1_000 * (Number(response.headers.get('retry-after')) || 0);
        return ended(new ConnectionFailedError(`The answer was ${status}, ${type}.`), false, afterMs);
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
