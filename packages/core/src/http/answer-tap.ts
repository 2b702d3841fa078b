import type { ServerResponse } from 'node:http';
import type { AnswerRecorder } from './answer-recorder.js';
import type { HeaderValues } from './exchange.js';
import { takeHead } from './response-head.js';
import type { CachedAnswer } from './stored-answer.js';

/**
 * Lets a recorder listen to a response that somebody else writes, and revise its head.
 *
 * By overriding the methods of this one response. Middleware that did so before stays between here and the client, and
 * does its work on every answer; what middleware does that came later is part of what is recorded.
 */
export function tapAnswer(response: ServerResponse, recorder: AnswerRecorder): void {
  const { write, end, addTrailers } = response;
  let isEnding = false;
  let isHeld = false;
  let hasBegun = false;
  let whole: Buffer | undefined;
  tapHead(response, recorder, () => {
    const revision = recorder.begin(response.statusCode, response.getHeaders(), whole);
    if (revision === undefined) return;
    response.statusCode = revision.status; // a body that comes with 304 is kept from the client by node:http
    for (const name of revision.removed) response.removeHeader(name);
    for (const [name, value] of Object.entries(revision.headers)) response.setHeader(name, value);
  });

  response.write = (chunk: unknown, ...rest: unknown[]): boolean => {
    if (isHeld) return false; // after the end
    hasBegun = true;
    const isFlowing = Reflect.apply(write, response, [chunk, ...rest]) as boolean;
    if (recorder.isOpen && !isEnding) recorder.add(bytesOf(chunk, rest[0])); // `end` may call `write` by itself
    return isFlowing;
  };

  response.end = (...given: unknown[]): ServerResponse => {
    if (isHeld) return response;
    if (!recorder.isOpen || isEnding) return Reflect.apply(end, response, given) as ServerResponse;
    isEnding = true;
    const last = bytesOf(given[0], given[1]);
    if (!hasBegun && !response.headersSent) {
      const holding = recorder.hold(response.statusCode);
      if (holding !== undefined) {
        isHeld = true;
        void holding.then((instead) => {
          isHeld = false;
          const isReplaced = instead !== undefined && !response.headersSent;
          if (isReplaced) replaceHead(response, recorder.before, instead);
          const called = given.filter((part) => typeof part === 'function');
          Reflect.apply(end, response, isReplaced ? [instead.body, ...called] : given);
        });
        return response;
      }
      whole = last;
    }
    Reflect.apply(end, response, given);
    recorder.add(last);
    recorder.end();
    return response;
  };

  response.addTrailers = (trailers): void => {
    recorder.refuse('stream');
    addTrailers.call(response, trailers);
  };
}

/** Tells a recorder when the head of a response has left, and calls `begin` right before. */
export function tapHead(response: ServerResponse, recorder: AnswerRecorder, begin?: () => void): void {
  const { writeHead } = response;
  // Implicit heads come through here as well: node:http calls the method of the response itself.
  response.writeHead = (status: number, ...rest: unknown[]): ServerResponse => {
    response.writeHead = writeHead;
    takeHead(response, status, rest);
    begin?.();
    writeHead.call(response, response.statusCode);
    recorder.sent(response.hasHeader('set-cookie'));
    return response;
  };
}

/** Puts another head in the place of one that has not left. */
function replaceHead(
  response: ServerResponse,
  before: HeaderValues,
  { status, headers, body }: CachedAnswer,
): void {
  response.statusCode = status;
  response.statusMessage = '';
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  for (const [name, value] of Object.entries({ ...before, ...headers })) {
    if (value !== undefined) response.setHeader(name, value);
  }
  if (body !== undefined) response.setHeader('content-length', body.length);
}

const none = Buffer.alloc(0);

/** What is written by a call of `write` or `end`. */
function bytesOf(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === 'string') {
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
  }
  return chunk instanceof Uint8Array ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : none;
}
