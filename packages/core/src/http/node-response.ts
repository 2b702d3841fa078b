import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';

// What requests and responses of HTTP/1.1 and HTTP/2 say in different words: responses of HTTP/2 have neither `closed` nor
// a `connection` header, and emit 'finish' although they were cut; bodies of its requests need no header.

/** Whether a request has a body, or may have one. */
export function hasBody(request: IncomingMessage): boolean {
  const { stream } = request as Partial<Pick<Http2ServerRequest, 'stream'>>;
  if (stream !== undefined) return !stream.endAfterHeaders;
  const { headers } = request;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Whether nothing more can be written because the response, or its client, has gone. */
export function isClosed(response: ServerResponse): boolean {
  return streamOf(response)?.closed ?? response.closed;
}

/** Whether the client was given the whole answer; asked when 'finish' has come. */
export function isWhole(response: ServerResponse): boolean {
  const stream = streamOf(response);
  if (stream === undefined) return true;
  return response.writableEnded && !stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR;
}

/** Whether the connection is of HTTP/1, which says by a header that it takes no further request. */
export function hasConnectionHeader(response: ServerResponse): boolean {
  return streamOf(response) === undefined;
}

function streamOf(response: ServerResponse): Http2ServerResponse['stream'] | undefined {
  return (response as Partial<Pick<Http2ServerResponse, 'stream'>>).stream;
}
