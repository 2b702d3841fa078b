import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './workspace.js';

const unit = (name: string) => `packages/core/src/cache/${name}.test.ts`;
const servers = (name: string) => `test/integration/cache/${name}.test.ts`;
const http = (part: string) => `packages/core/src/testing/suites/adapter/response-cache${part}.ts`;
const faults = (name: string) => `test/exclusive/${name}.test.ts`;

/** What is known to go wrong between caches, and the tests that fail when it does. */
const races: readonly (readonly [string, ...(readonly [file: string, test: string])[]])[] = [
  [
    'a value that was read before an invalidation is stored after it',
    [
      servers('races'),
      'a value that was read before the invalidation of its $what by $where, and stored after it',
    ],
    [unit('rules'), 'a value that was loaded before an invalidation and stored after it'],
  ],
  [
    'a value is stored by who has not heard of its invalidation',
    [servers('announcements'), 'a value stored by a process that has not heard of its invalidation'],
  ],
  [
    'a caller joins a load that began before the invalidation that he comes after',
    [servers('races'), 'does not join the load that began before it'],
    [servers('races'), 'does not wait for the load of another process that began before it'],
    [unit('rules'), 'a running load that began before the invalidation which its joiner has seen'],
  ],
  [
    'of two loads the older one ends last',
    [servers('races'), 'of two loads that end in the wrong order, the older one takes nothing back'],
  ],
  [
    'one of many values that are loaded at once is invalidated meanwhile',
    [servers('races'), 'one of many values that are loaded at once, when it is invalidated meanwhile'],
  ],
  [
    'an expired value is served to who knows better, or after it was invalidated, too',
    [servers('races'), 'an expired value may be served to who has not seen that, while one load replaces it'],
    [
      servers('races'),
      'a value that was expired, and then invalidated while it is replaced, is served to nobody',
    ],
  ],
  [
    'loads of many keys wait for one another in a circle',
    [servers('races'), 'load each once, and do not wait for one another'],
  ],
  [
    'a value is replaced in the background while it is invalidated',
    [servers('races'), 'a value that is past its time, and invalidated while it is replaced'],
    [unit('stale-rules'), 'a stale value that its replacement has made older than an invalidation'],
  ],
  [
    'a value is set while an older one is loaded, or another one is set',
    [servers('races'), 'a value that is set while an older one is loaded'],
    [servers('races'), 'of values that two processes set at once, all are served the same one, or none'],
  ],
  [
    'a page is built from a value that is invalidated meanwhile',
    [servers('races'), 'a page built from a value that is invalidated while the page is'],
    [servers('cache'), 'keep nested values apart from what they depend on no longer'],
    [unit('rules'), 'a value built from a nested load that was not fit to be stored'],
  ],
  [
    'an announcement gets lost in silence: the subscriber is half open',
    [servers('announcements'), 'an announcement that gets lost in silence'],
    [servers('announcements'), 'is served the past up to the bound at most, and never again after that'],
    [
      servers('announcements'),
      'a subscriber that is half open costs nobody more than the bound, and is given up',
    ],
    [faults('redis-faults'), 'notices that its connections are half open, and makes new ones'],
  ],
  [
    'the bus is cut while something is invalidated, or between a reconnect and its subscription',
    [
      servers('announcements'),
      'an invalidation while the bus is cut is seen at once by who holds its token, and by all others within the bound',
    ],
    [faults('cache-faults'), 'announcements that get lost again and again leave nobody with the past'],
  ],
  [
    'announcements arrive late, twice, in another order, or only the last of them',
    [servers('announcements'), 'announcements that arrive late, twice and in any order are all applied'],
    [servers('announcements'), 'the last of three announcements, when the others are lost'],
    [unit('rules'), 'announcements in any order, twice or late, change nothing'],
  ],
  [
    'more was missed than the log can tell',
    [servers('announcements'), 'who has missed more than the log can tell believes nothing that it has'],
  ],
  [
    'a process stands still while others invalidate',
    [servers('announcements'), 'a process that was frozen while a value was invalidated'],
    [servers('leases'), 'a process that is frozen for longer than its lease lasts takes nothing back'],
  ],
  [
    'Redis comes back empty, or with what it had some time before',
    [faults('cache-faults'), 'is killed and comes back empty'],
    [faults('cache-faults'), 'is killed and comes back with what it had saved some time before'],
    [faults('cache-faults'), 'loses everything under standing connections'],
    [unit('rules'), 'a state that has gone back gets another epoch'],
  ],
  [
    'Redis evicts the state and keeps the values',
    [faults('cache-lost-state'), 'when Redis evicts the state of the cache'],
    [faults('cache-faults'), 'loses the state of the cache alone'],
    [faults('cache-faults'), 'loses what was written alone'],
    [servers('redis-level'), 'has nothing that Redis could evict without its values, and forget'],
  ],
  [
    'a replica of Redis is promoted without the last invalidation',
    [faults('cache-lost-state'), 'is promoted without the last invalidation brings nothing old back'],
  ],
  [
    'a master of a cluster is replaced',
    [
      faults('cache-cluster'),
      'whoever holds the token of a write reads it while the master of the state is replaced',
    ],
    [faults('cache-cluster'), 'the Redis level on a cluster'],
  ],
  [
    'Redis is frozen, killed, silent or slow, and everybody waits for it',
    [
      faults('cache-outage'),
      'every call ends within the bound, and whoever holds the token of a write reads it',
    ],
    [faults('cache-outage'), 'a Redis that takes 200 ms is used by those who have patience'],
    [faults('cache-faults'), 'freezes for longer than anybody waits'],
  ],
  [
    'an outage of Redis becomes one of the database',
    [faults('cache-outage'), 'at most `maxLoads` loads are under way in each process'],
    [faults('cache-outage'), 'those who have seen more than it knows do not overrun the database either'],
  ],
  [
    'an invalidation meets a Redis that is away',
    [servers('announcements'), 'an invalidation by a process that Redis is out of reach of'],
    [faults('cache-faults'), 'while Redis is away every read is answered'],
    [faults('db-outbox'), 'after an outage of Redis nothing cached is used before all is carried out'],
    [unit('rules'), 'is retried until it is confirmed, and frees the tokens that waited for it'],
  ],
  [
    'a process is killed between a commit and its invalidation',
    [faults('db-outbox'), 'has them carried out by the others, seen once by everybody'],
    [faults('cache-replicas'), 'nothing cached is used before somebody has done so in its place'],
  ],
  [
    'thousands miss the same key at once',
    [servers('races'), 'a thousand callers in each of two processes cause one load'],
    [servers('cache'), 'load a value once between them, however many ask'],
  ],
  [
    'who loads for all dies, or takes longer than his lease lasts',
    [servers('leases'), 'another one takes over as soon as its lease has ended'],
    [servers('leases'), 'a process that is frozen for longer than its lease lasts takes nothing back'],
    [unit('cache'), 'do not wait longer for another instance than they are told to'],
  ],
  [
    'a loader fails',
    [servers('races'), 'reaches all who wait in the process, frees the lease, and leaves nothing behind'],
    [unit('cache'), 'all get the loader’s error; nothing is kept, and the next one loads at once'],
  ],
  [
    'a loader reads a replica that stands still, while the row is written',
    [
      faults('cache-replicas'),
      'a value that was read from a replica which stands still, while the row was written',
    ],
  ],
  [
    'the cache is filled again from a replica that has not seen what was invalidated',
    [faults('cache-replicas'), 'loads by who has seen nothing of it read the primary'],
    [faults('cache-replicas'), 'what is read there all the same, by wish, stays with who wished it'],
    [
      faults('cache-replicas'),
      'a value put together from two replicas, one of which stands still, is not kept',
    ],
    [faults('fleet-paused-replicas'), 'a write through one instance is read through the two others'],
  ],
  [
    'a commit is acknowledged before it is flushed, or ends with a page of the log',
    [faults('cache-replicas'), 'names the commit also when that was not flushed before it was acknowledged'],
    [faults('db-replay'), 'names a position that replicas reach although the last page is exactly full'],
  ],
  [
    'a replica of the database is promoted, and commits are lost',
    [faults('db-histories'), 'what a failover has lost %s'],
    [unit('lineage'), 'nothing from before is served, on any instance'],
    [unit('lineage'), 'an instance that still reads from the old one neither serves nor keeps anything'],
  ],
  [
    'more tags are invalidated than can be remembered',
    [servers('many-tags'), 'Redis remembers a bounded number, and what it has forgotten counts as invalid'],
  ],
  [
    'clocks are wrong, or jump',
    [servers('clocks'), 'are no reason to serve what was invalidated'],
    [servers('clocks'), 'are no reason to serve it when they jump by two hours'],
    [unit('cache'), 'passes a jump of the wall clock on to lifetimes only'],
  ],
  [
    'a cached answer is shared that was meant for one, or is another variant',
    [http('-leaks'), 'what was made for another name of the host, by whatever header it came'],
    [http('-unstored'), 'gives each their own when it says who they are, and one to all who are nobody'],
    [http('-unstored'), 'tells apart what varies, by its options and as its answers say'],
    [http('-sharing'), 'lets each run it when the answer is not for sharing, and nobody wait for that again'],
  ],
  [
    'a client is told that a stored answer has not changed, which was invalidated',
    [
      http(''),
      'forgets its answer when a tag is invalidated: its own, or that of a value which went into it',
    ],
    [http(''), 'answers HEAD with the head of what GET has stored'],
  ],
];

it.each(races.map(([what, ...tests]) => ({ what, tests })))('a test fails when $what', ({ tests }) => {
  for (const [file, test] of tests) expect(readFileSync(join(root, file), 'utf8')).toContain(test);
});
