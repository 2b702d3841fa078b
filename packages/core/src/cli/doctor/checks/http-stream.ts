import { type Check, fine, problem, unknown } from '../check.js';
import type { HttpServer } from '../http-server.js';

/** Whether events arrive as they are sent. */
export const httpStream: Check<HttpServer> = {
  name: 'http.stream',
  why: 'What buffers or compresses a stream holds events back until enough of them have come.',
  examine({ stream }) {
    if (stream === undefined) return [];
    const { path } = stream;
    if ('failure' in stream)
      return [
        unknown(`${path} came to nothing: ${stream.failure}`, 'See what cuts it: the proxy, or the app.'),
      ];
    const { beginning } = stream;
    const buffered =
      'Switch buffering off for event streams: proxy_buffering off, and no proxy_ignore_headers X-Accel-Buffering, in nginx.';
    if (beginning === undefined) return [problem(`${path} has not begun in time`, buffered)];
    const { status, headers, first } = beginning;
    const type = headers['content-type'] ?? 'of no type';
    if (status !== 200 || !type.startsWith('text/event-stream'))
      return [
        unknown(
          `${path} is answered with ${status}, ${type}`,
          'Give the path of an event stream that needs no sign-in with --stream.',
        ),
      ];
    const coding = headers['content-encoding'];
    if (coding !== undefined)
      return [
        problem(
          `${path} is compressed (${coding})`,
          'Leave text/event-stream out of what the proxy compresses.',
        ),
      ];
    if (first === undefined) return [problem(`nothing of ${path} has arrived behind its head`, buffered)];
    if (first === '')
      return [
        problem(
          `${path} ended before anything came`,
          'Look in the log of the app, and of the proxy, for who ends it.',
        ),
      ];
    return [fine(`${path} begins at once`)];
  },
};
