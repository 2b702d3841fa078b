/**
 * What becomes of requests when more are sent than can be answered, for seconds, whether or not others are answered.
 *
 * Good is an answer within 500 ms. One request in five is marked as critical, where that can be said.
 */
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Child } from '../harness/child.mjs';
import { pin } from '../harness/pin.mjs';

const program = new URL('./overload-process.mjs', import.meta.url);
const libraries = ['@pando/core', '@fastify/under-pressure', 'toobusy-js', 'none'];
const goodMs = 500;
const patienceMs = 2_500;
/** Left out: all have to find out first. */
const firstSeconds = 2;
const loads = [
  {
    id: 'database',
    path: '/database',
    clients: 10,
    quietPerSecond: 400,
    perSecond: 1_000,
    what: 'a pool that does 500 requests in a second is asked for 1,000',
  },
  {
    id: 'processor',
    path: '/processor',
    clients: 4,
    quietPerSecond: 175,
    perSecond: 750,
    what: 'a processor that does less than 250 requests in a second is asked for 750',
  },
  {
    id: 'connections',
    path: '/processor',
    clients: 4,
    quietPerSecond: 175,
    perSecond: 750,
    opensMany: true,
    what: 'the same, with a connection for each request, as nginx does it unless told otherwise',
  },
];

function ask(agent, port, path, isCritical) {
  const began = performance.now();
  return new Promise((resolve) => {
    const end = (status) => resolve({ status, isCritical, tookMs: performance.now() - began });
    const headers = isCritical ? { 'x-critical': '1' } : {};
    const request = get(
      { port, path, agent, headers, host: '127.0.0.1', timeout: patienceMs },
      (response) => {
        response
          .resume()
          .on('end', () => end(response.statusCode))
          .on('error', () => end(0));
      },
    );
    request.on('timeout', () => request.destroy()).on('error', () => end(0));
  });
}

/** As many answers a second as there are when each client asks as soon as it has one. */
async function peakOf({ port }, { path, clients, opensMany }, seconds) {
  const agent = new Agent({ keepAlive: !opensMany });
  const until = performance.now() + seconds * 1_000;
  let good = 0;
  const client = async () => {
    while (performance.now() < until) if (isGood(await ask(agent, port, path, false))) good += 1;
  };
  await Promise.all(Array.from({ length: clients }, client));
  agent.destroy();
  return good / seconds;
}

/** Sends so many a second, answered or not. */
async function flood({ port }, { path, opensMany }, perSecond, seconds, leftOut = 0) {
  const agent = new Agent({ keepAlive: !opensMany });
  const answers = [];
  const began = performance.now();
  const total = perSecond * (leftOut + seconds);
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, ((performance.now() - began) * perSecond) / 1_000);
    for (; sent < due; sent++) answers.push(ask(agent, port, path, sent % 5 === 0));
    await delay(2);
  }
  const all = await Promise.all(answers);
  agent.destroy();
  return all.slice(perSecond * leftOut);
}

const isGood = ({ status, tookMs }) => status === 200 && tookMs <= goodMs;

function p99Of(answers) {
  const times = answers
    .flatMap(({ status, tookMs }) => (status === 200 ? [tookMs] : []))
    .sort((a, b) => a - b);
  return times.length === 0 ? '–' : `${times[Math.floor(times.length * 0.99)].toFixed(0)} ms`;
}

function summary(answers, seconds, { peak, quiet }) {
  const critical = answers.filter(({ isCritical }) => isCritical);
  const share = (critical.filter(isGood).length / critical.length) * 100;
  const perSecond = answers.filter(isGood).length / seconds;
  return `${perSecond.toFixed(0)} good/s of ${peak.toFixed(0)}, critical ${share.toFixed(0)} %, p99 ${p99Of(answers)}, quiet ${p99Of(quiet)}`;
}

export const tableIds = loads.map(({ id }) => `overload.${id}`);

/** Floods each library with each load. */
export async function show(_servers, { isQuick, versionOf, own }) {
  const seconds = isQuick ? 4 : 10;
  pin(process.pid, 1);
  const rows = loads.map(({ what }, index) => ({ id: tableIds[index], what, outcomes: {} }));
  for (const library of libraries) {
    for (const [index, load] of loads.entries()) {
      console.error(`overload: ${load.id} (${library}) ...`);
      const child = new Child(program, library);
      pin(child.pid, 0); // it has inherited the core of this process
      try {
        const served = await child.ask('open', { guard: library });
        const peak = await peakOf(served, load, 2);
        const quiet = await flood(served, load, load.quietPerSecond, 2);
        const answers = await flood(served, load, load.perSecond, seconds, firstSeconds);
        rows[index].outcomes[library] = summary(answers, seconds, { peak, quiet });
      } finally {
        child.close();
      }
    }
  }
  const columns = libraries.map((name) => ({
    name,
    version: name === '@pando/core' ? own : name === 'none' ? '' : versionOf(name),
  }));
  const note = `\
Good: answered with 200 within ${goodMs} ms, of as many as the same server answers to clients that ask one after the other. One request in five is critical, which
only Pando can be told. Quiet: the p99 of the same server while it is asked for less than it can do. \`none\` is Fastify as it is. Load and server have a core each;
the first ${firstSeconds} seconds of too much are not counted.`;
  return { columns, rows, note };
}
