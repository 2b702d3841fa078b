import { type CloseCode, closeCodes } from '../../../packages/core/src/realtime/close-codes.js';
import { page, table } from './markdown.js';
import type { PublicProgram } from './program.js';

/** The page of the ways in which connections end. */
export function closeCodesPage(program: PublicProgram): string {
  const codes: readonly CloseCode[] = Object.values(closeCodes);
  return page(
    '# How connections end',
    'A client that obeys these tables loses nothing: it comes back with its positions, and goes on where it was, or is ' +
      'told that it cannot.',
    '## WebSocket',
    'Every code with which Pando closes a connection. A client that finds another one, or 1006, treats it as a lost ' +
      'connection and reconnects. Before a restart a `pando.v1` client gets `{"t":"bye","afterMs":…}`: it should wait that ' +
      'long, so that not all come back at once.',
    table(
      ['Code', 'Reason', 'Reconnect', 'Meaning'],
      codes.map(({ code, reason, reconnect, meaning }) => [
        String(code),
        `\`${reason}\``,
        reconnect ? 'yes' : 'no',
        meaning,
      ]),
    ),
    'A handshake that is refused gets an HTTP answer instead: 401 without an identity or with one that has expired, 403 for a page of another origin, ' +
      '404 for a path that is no route, 429 for a user or an address with too many connections, 503 while the instance drains or is ' +
      'full, the last two with `Retry-After`.',
    '## Server-sent events',
    'HTTP has no close codes; an event stream says the same in its own words. `EventSource` obeys all of it by itself, but ' +
      'for `reset`.',
    table(
      ['What the client sees', 'WebSocket', 'Reconnect', 'Meaning'],
      [
        [
          '`retry: <ms>`, then the end',
          '1001, 1012, 4401',
          'yes',
          'The instance drains or closes, the connection has reached its age, or what the client showed expires: come back after that time.',
        ],
        ['the end', '1011, 4408', 'yes', 'The client did not read for too long, or something failed.'],
        [
          'status 200 and `retry: <ms>` only',
          '1013',
          'yes',
          'The instance drains or is full, or the user has too many connections; browsers would not come back from a 503 or 429.',
        ],
        [
          'status 503 or 429 with `Retry-After`',
          '1013',
          'yes',
          'The same, to clients that do not accept `text/event-stream`.',
        ],
        [
          '`event: reset`',
          '4409',
          'stays open',
          'Messages may be missing: read the state afresh, then go on.',
        ],
        ['status 204', '', 'no', 'The application has nothing to stream to this client.'],
        ['status 401, 403 or 404', '4400', 'no', 'The application refused; correct the request.'],
      ],
    ),
    '## Why a channel is reset',
    'The `reason` of a `reset`, in both transports. Whatever it is: read the state afresh.',
    table(['Reason', 'Meaning'], resetReasons(program)),
  );
}

/** The reasons and what the source says about each. */
export function resetReasons(program: PublicProgram): readonly (readonly [string, string])[] {
  const symbol = program.declared('packages/core/src/realtime/index.ts', 'ResetReason');
  const text = program.paragraphsOf(symbol).at(-1) ?? '';
  return [...text.matchAll(/`([a-z-]+)`: (.+?)(?= `[a-z-]+`: |$)/g)].map(([, reason = '', meaning = '']) => [
    `\`${reason}\``,
    meaning.replace(/^./, (first) => first.toUpperCase()),
  ]);
}
