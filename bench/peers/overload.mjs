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
const loads = [
  {
    id: 'database',
    path: '/database',
    perSecond: 1_000,
    what: 'a pool that does 500 requests in a second is asked for 1,000',
  },
  {
    id: 'processor',
    path: '/processor',
    perSecond: 750,
    what: 'a processor that does less than 250 requests in a second is asked for 750',
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

async function flood({ port }, { path, perSecond }, seconds) {
  const agent = new Agent({ keepAlive: true });
  const answers = [];
  const began = performance.now();
  for (let sent = 0; sent < perSecond * seconds; ) {
    const due = Math.min(perSecond * seconds, ((performance.now() - began) * perSecond) / 1_000);
    for (; sent < due; sent++) answers.push(ask(agent, port, path, sent % 5 === 0));
    await delay(2);
  }
  const all = await Promise.all(answers);
  agent.destroy();
  return all;
}

function summary(answers, seconds) {
  const good = ({ status, tookMs }) => status === 200 && tookMs <= goodMs;
  const critical = answers.filter(({ isCritical }) => isCritical);
  const times = answers
    .flatMap(({ status, tookMs }) => (status === 200 ? [tookMs] : []))
    .sort((a, b) => a - b);
  const p99 = times[Math.floor(times.length * 0.99)];
  const share = (critical.filter(good).length / critical.length) * 100;
  const perSecond = answers.filter(good).length / seconds;
  return `${perSecond.toFixed(0)} good/s, critical ${share.toFixed(0)} %, p99 ${p99 === undefined ? '–' : `${p99.toFixed(0)} ms`}`;
}

export const tableIds = loads.map(({ id }) => `overload.${id}`);

/** Floods each library with each load; what the first seconds show is left out, since all have to find out. */
export async function show(_servers, { isQuick, versionOf, own }) {
  const seconds = isQuick ? 5 : 10;
  pin(process.pid, 1);
  const rows = loads.map(({ what }, index) => ({ id: tableIds[index], what, outcomes: {} }));
  for (const library of libraries) {
    for (const [index, load] of loads.entries()) {
      console.error(`overload: ${load.id} (${library}) ...`);
      const child = new Child(program, library);
      try {
        const served = await child.ask('open', { guard: library });
        await flood(served, load, 3);
        rows[index].outcomes[library] = summary(await flood(served, load, seconds), seconds);
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
Good: answered with 200 within ${goodMs} ms. One request in five is critical, which only Pando can be told. \`none\` is Fastify as it is. Load and server share the
machine; three seconds before are not counted.`;
  return { columns, rows, note };
}
