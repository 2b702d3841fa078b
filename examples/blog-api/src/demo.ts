import { once } from 'node:events';
import { readConfig } from './config.js';
import { type Fleet, startFleet } from './demo/fleet.js';
import { showTour } from './demo/tour.js';
import { explain } from './failure.js';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());

let fleet: Fleet | undefined;
try {
  const { port } = readConfig({ PORT: process.env.PORT });
  const redisServer = process.env.REDIS_SERVER || 'redis-server';
  fleet = await startFleet({ port, redisServer, signal: stop.signal, log: console.log });
  describe(fleet);
  await showTour(fleet, console.log);
  if (!process.argv.includes('--once') && !stop.signal.aborted) {
    await showEnds(fleet, stop.signal);
  }
} catch (error) {
  if (!stop.signal.aborted) {
    console.error(`demo: ${explain(error)}`);
    process.exitCode = 1;
  }
} finally {
  if (fleet !== undefined) console.log('\nEnding everything ...');
  await fleet?.[Symbol.asyncDispose]();
}

function describe({ url, instances, redisUrl, primaryUrl, replicaUrls }: Fleet): void {
  console.log(`\nThree instances of the blog, as one: ${url}\n`);
  for (const { name, framework, url: own, pid } of instances) {
    console.log(`  ${name.padEnd(10)} ${own}   ${framework}, process ${pid}`);
  }
  console.log(`  Redis      ${redisUrl}`);
  console.log(`  Postgres   ${primaryUrl}`);
  for (const replica of replicaUrls) console.log(`   replica   ${replica}`);
}

/** Waits for Ctrl-C, and says when an instance ends before that. */
async function showEnds({ url, instances }: Fleet, signal: AbortSignal): Promise<void> {
  console.log(`\nOpen ${url} in two windows. Or end an instance, and see the others go on:`);
  for (const { name, pid, ended } of instances) {
    console.log(`  kill ${pid}   # ${name}`);
    void ended.then(() => signal.aborted || console.log(`${name} has ended; the others go on.`));
  }
  console.log('\nCtrl-C ends everything.');
  await once(signal, 'abort');
}
