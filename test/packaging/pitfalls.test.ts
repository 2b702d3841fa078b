import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './workspace.js';

const unit = (name: string) => `packages/core/src/db/${name}.test.ts`;
const servers = (name: string) => `test/integration/db/${name}.test.ts`;
const faults = (name: string) => `test/exclusive/db-${name}.test.ts`;
const http = 'packages/core/src/testing/suites/adapter/context.ts';

/** What is known to go wrong between a pool, a primary and its replicas, and the tests that fail when it does. */
const pitfalls: readonly (readonly [string, ...(readonly [file: string, test: string])[]])[] = [
  [
    'a position taken before the commit has ended is 40 bytes short',
    [servers('pitfalls'), 'lies behind the commit of %s, to the byte'],
  ],
  [
    'a statement that checks its own position, or an older snapshot, passes and shows the past',
    [unit('read-your-writes'), 'the position is looked at after the read'],
  ],
  [
    'the insert position waits for ever at the end of a page, and for what others have not flushed',
    [faults('replay'), 'names a position that replicas reach although the last page is exactly full'],
    [unit('drivers/pg-statements'), 'is the flush position where commits are flushed before'],
  ],
  [
    '`set local synchronous_commit` is gone behind the commit',
    [servers('pitfalls'), 'a transaction that is not flushed at its commit'],
    [servers('database'), 'does so with synchronous_commit = off of one transaction'],
  ],
  [
    'a bare position of another timeline means nothing',
    [unit('position'), 'are served only from the present history'],
    [unit('db'), 'do not use a replica on another history'],
    [faults('primary-faults'), 'follows the name of the primary to a promoted replica'],
    [
      faults('failover'),
      'neither reads from nor writes to a primary that was replaced and goes on, nor what follows it',
    ],
  ],
  [
    'COMMIT answers ROLLBACK, and calls it no error',
    [servers('database'), 'does not commit what had failed, although nobody noticed'],
    [servers('pool'), 'commits nothing without saying so'],
  ],
  [
    'a read inside a transaction that goes around it meets a replica',
    [unit('transactions'), 'sends reads around it to the primary, where they see what was committed before'],
  ],
  [
    'statements of one transaction run all at once',
    [
      servers('pitfalls'),
      'whose statements run all at once rejects with the first error, and leaves nothing',
    ],
    [servers('database'), 'runs statements that were not awaited before it commits'],
  ],
  [
    'a setting, role, temporary table or lock meets the next borrower',
    [servers('sessions'), 'finds nothing of $what that $way has left'],
    [servers('pool'), 'that leaves %s behind finds it again, and the next one does not'],
    [unit('drivers/fenced-pool'), 'closes it where a pooler stands between'],
  ],
  [
    'an advisory lock on a replica is taken, and respected by nobody',
    [servers('sessions'), 'is taken on the primary, where others respect it'],
  ],
  [
    'a select locks rows, draws from a sequence or calls what writes',
    [servers('database'), 'runs a read that turns out to be %s on the primary'],
  ],
  [
    'a caller gives up, and its statement goes on',
    [servers('database'), 'cancel the statement of an aborted read and keep its connection'],
    [servers('database'), 'cancels what still runs when it is given up'],
  ],
  [
    'a cancellation hits the next statement',
    [servers('pitfalls'), 'hits nothing but the statement that was given up, however late it comes'],
  ],
  [
    'a write runs twice because its answer was lost',
    [unit('db'), 'whose answer is lost have an unknown outcome, and do not run twice'],
    [faults('primary-faults'), 'reports of every write whether it took effect, or that nobody knows'],
  ],
  [
    'the end of an idle session ends the process',
    [servers('pitfalls'), 'is an error of whoever uses it, and of nobody while it is idle'],
  ],
  [
    'an error of a statement costs the connection; a pool tries to connect without end, or uses all it has in turn',
    [faults('pool-storm'), 'whatever some of them do to theirs'],
    [servers('database'), 'keeps its connections when statements fail'],
    [faults('primary-faults'), 'hardly tries to connect while the database is down, and tells everybody why'],
    [unit('drivers/fenced-pool'), 'hands out the one used last'],
  ],
  [
    'a cursor or stream speaks to a connection on which others have statements',
    [servers('pool'), 'refuses cursors, which speak to a connection behind its back'],
  ],
  [
    'one name hides several servers, of which each knows another past',
    [faults('shared-name'), 'never shows the past where a pooler hides several servers behind one name'],
    [faults('shared-name'), 'would show it if reads carried no proof'],
  ],
  [
    'the head of an answer is out before the token is known',
    [http, 'leave merged with errors, with 304 and with what no route answers, too'],
  ],
  [
    'an answer with a cookie is kept by a cache for everybody',
    [http, 'of a write come back as header and cookie, and the cookie alone carries them on'],
  ],
  [
    'an idle primary makes its replicas look late',
    [unit('primary-log'), 'does not grow while nothing is written'],
  ],
  [
    'replay ends a long read on a replica',
    [faults('replay'), 'runs a read that conflicts with the replay of $what again elsewhere'],
  ],
  [
    'a transaction inside a transaction waits for a second connection',
    [unit('transactions'), 'refuses another one inside'],
    [servers('transactions'), 'rolls a savepoint back alone, and goes on with the transaction'],
  ],
  [
    'serializable is refused by every standby',
    [servers('pitfalls'), 'is what the primary is for: no standby can give it'],
  ],
];

it.each(pitfalls.map(([what, ...tests]) => ({ what, tests })))('a test fails when $what', ({ tests }) => {
  for (const [file, test] of tests) expect(readFileSync(join(root, file), 'utf8')).toContain(test);
});
