import type { ServerResponse } from 'node:http';
import { hasConnectionHeader } from './node-response.js';

/**
 * Lets the end of a response wait for what `until` gives, which must not reject; undefined is no reason to wait.
 *
 * Nothing of an answer that is given whole leaves before. What was streamed has left; its end waits all the same.
 */
export function holdAnswer(response: ServerResponse, until: () => Promise<void> | undefined): void {
  const { end } = response;
  let isHeld = false;

  response.end = (...given: unknown[]): ServerResponse => {
    if (isHeld) return response;
    const waiting = until();
    if (waiting === undefined) return Reflect.apply(end, response, given) as ServerResponse;
    isHeld = true;
    const { write } = response;
    response.write = () => false; // nobody may get in front of what is held
    fixHead(response, given);
    void waiting.then(() => {
      response.write = write; // `end` may call it
      response.end = end;
      Reflect.apply(end, response, given);
    });
    return response;
  };
}

/** Decides the head as `end` would have: who looks at the response from now on finds it answered, and can change nothing. */
function fixHead(response: ServerResponse, [chunk, encoding]: readonly unknown[]): void {
  if (response.headersSent || !hasConnectionHeader(response)) return; // that of HTTP/2 would leave at once
  const { statusCode } = response;
  const hasBody = statusCode >= 200 && statusCode !== 204 && statusCode !== 304;
  const isBare = !response.hasHeader('content-length') && !response.hasHeader('transfer-encoding');
  if (hasBody && isBare && response.req.method !== 'HEAD') {
    response.setHeader('content-length', lengthOf(chunk, encoding));
  }
  response.writeHead(statusCode);
}

function lengthOf(chunk: unknown, encoding: unknown): number {
  if (typeof chunk === 'string') {
    return Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  }
  return chunk instanceof Uint8Array ? chunk.byteLength : 0;
}
