import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './workspace.js';

const faults = (name: string) => `test/exclusive/realtime-${name}.test.ts`;
const servers = (name: string) => `test/integration/${name}.test.ts`;

/** What is known to go wrong between a publisher and a browser, and the tests that fail when it does. */
const scenarios: readonly (readonly [string, ...(readonly [file: string, test: string])[]])[] = [
  [
    'an instance is killed under load',
    [faults('kill'), 'its clients go on elsewhere, and lose and repeat nothing'],
    [faults('presence'), 'is missed within a bound: each of its users leaves once, and nobody else'],
  ],
  [
    'instances are restarted one after the other',
    [faults('rolling'), 'send their clients away bit by bit, and nobody loses or repeats anything'],
  ],
  [
    'subscribers lose their connection to Redis again and again',
    [faults('pubsub-kill'), 'no client loses, repeats or notices anything'],
  ],
  [
    'a subscriber is half dead: its connection stands, and nothing arrives',
    [faults('half-dead'), 'says so, finds a way around, and brings its clients everything they have missed'],
    [faults('half-dead'), 'because it listens to a server that nobody publishes to any more, moves on'],
  ],
  [
    'Redis loses everything',
    [faults('emptied'), '%s: each client is told exactly once, and goes on'],
    [faults('emptied'), 'because it is killed and starts empty'],
    [faults('emptied'), 'under standing connections'],
  ],
  [
    'Redis comes back, with its data or empty',
    [faults('restart'), 'with its data: each client is told exactly once in each channel, and goes on'],
    [faults('restart'), 'empty: clients that come back later with an old position are told, too'],
  ],
  [
    'a replica of Redis takes over, and may lack what was acknowledged',
    [faults('failover'), 'behind sentinels: what it may lack is told, and nothing else'],
    [
      faults('failover'),
      'from a master with channels and with %s: what it may lack is told on these channels, and nothing else',
    ],
    [faults('failover'), 'late: until then the channels of the others go on, and miss nothing'],
    [faults('moves'), 'while a replica takes over behind sentinels, and each is told once'],
    [faults('moves'), 'while a master of a cluster is replaced, and are told of its channels alone'],
    [faults('lost-writes'), 'who has seen them is told, nobody skips anything in silence'],
  ],
  [
    'the slot of a channel moves in a cluster',
    [faults('slot'), 'publishes wait for it, and listeners get each message once, or are told'],
    [faults('moves'), 'while the slot of a channel moves, and nobody is told of channels elsewhere'],
  ],
  [
    'Redis stands still',
    [faults('freeze'), 'makes publishes fail within their deadline; connections stay, and nothing is lost'],
    [faults('freeze'), 'makes publishes wait, where that is wanted, and each is carried out once'],
  ],
  [
    'thousands come back at once',
    [faults('storm'), 'far behind, to an instance that knows nothing, share what is read for them'],
    [
      'packages/core/src/realtime/hub/hub.test.ts',
      'looks at the log once for all that come back one after the other to places that lie near each other',
    ],
  ],
  [
    'a quiet client costs more and more',
    [faults('idle'), 'one process holds thousands of quiet clients ($kind, $framework), each at little cost'],
  ],
  [
    'clients read so slowly that everything waits for them',
    [faults('slow'), 'cost no more than their share, hold up nobody, and have everything in the end'],
  ],
  [
    'clients come and go while it takes long to find out who they are, and everybody publishes',
    [faults('churn'), 'clients that come, leave and subscribe anew all the time'],
  ],
  [
    'the history does not reach back to where a client was',
    [
      faults('churn'),
      'who was away for so long that the history no longer reaches back is told so, exactly once',
    ],
    [servers('realtime/instances'), 'tell each other what was trimmed'],
  ],
  [
    'the clock of Redis is set back',
    [faults('churn'), 'the clock of Redis is set back by seconds: what is published goes on in its order'],
    [servers('realtime/broker'), 'even if the clock was set back meanwhile'],
  ],
  [
    'a connection is cut, after whatever byte',
    [faults('cuts'), 'every client resumes where it was, to the message'],
    [
      'packages/core/src/realtime/sse-session.test.ts',
      'cut anywhere while it begins, knows where it is in each channel that it has seen a message of',
    ],
  ],
  [
    'the judge of all of them is blind',
    [servers('infra/verifier'), '$seen is not: $says'],
    [servers('infra/verifier'), 'whoever has a position and comes back without it hides a gap'],
  ],
];

/** Where nobody resumes: thousands of bare connections, and the judge. */
const withoutClients = ['a quiet client costs more and more', 'the judge of all of them is blind'];

it.each(scenarios.map(([what, ...tests]) => ({ what, tests })))('a test fails when $what', ({ tests }) => {
  for (const [file, test] of tests) expect(readFileSync(join(root, file), 'utf8')).toContain(test);
});

it.each(
  scenarios.filter(([what]) => !withoutClients.includes(what)).map(([what, ...tests]) => ({ what, tests })),
)("the library's own client is among those who follow on when $what", ({ tests }) => {
  const sources = tests.map(([file]) => readFileSync(join(root, file), 'utf8'));
  expect(sources.some((source) => /\.follow(Live|EveryWay)\(/.test(source))).toBe(true);
});
