import { readFile, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createTemporaryFolder, freePort, waitFor } from '@pando/core/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundleEntry } from '../infra/bundle-entry.js';
import { testRedis } from '../infra/context.js';
import { ServerProcess } from '../infra/server-process.js';

const at = (path: string): string => new URL(`../${path}`, import.meta.url).pathname;
const redis = testRedis();
let primary: ServerProcess;
let operators: string;

/** The primary that the guide shows, with other ports and a shorter delay. */
async function documentedPrimary(worker: string, port: number): Promise<string> {
  const guide = await readFile(at('../docs/how-to/use-all-cores.md'), 'utf8');
  const [, code] = /```ts\n(\/\/ primary\.ts\n[\s\S]*?)```/.exec(guide) ?? [];
  const changes = [
    ['dist/server.js', worker],
    ['.listen(9464)', `.listen(${port}, '127.0.0.1')`],
    ['= 5_000', '= 500'],
    ['n < availableParallelism()', 'n < 2'],
  ] as const;
  let program = code ?? '';
  for (const [documented, here] of changes) {
    if (!program.includes(documented)) throw new Error(`The guide's primary has no "${documented}".`);
    program = program.replace(documented, here);
  }
  await using folder = await createTemporaryFolder('pando-primary-');
  const file = join(folder.path, 'primary.ts');
  await writeFile(file, program);
  return await bundleEntry(file); // the folder goes after that
}

beforeAll(async () => {
  const port = await freePort();
  const program = await documentedPrimary(await bundleEntry(at('fixtures/cluster-worker.ts')), port);
  operators = `http://127.0.0.1:${port}`;
  primary = await ServerProcess.start({
    name: 'primary',
    command: process.execPath,
    prepare: async () => ['--enable-source-maps', program],
    env: (port) => ({ KIT: redis.name, REDIS_URL: redis.url, PORT: String(port) }),
    timeoutMs: 30_000,
  });
  await waitFor(async () => (await fleet()).length === 2, { timeoutMs: 15_000, message: 'two workers' });
});
afterAll(() => primary?.close());

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

/** Asks some worker; on a connection of its own, unless an agent keeps one. */
function ask(path: string, agent: Agent | false = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(`${primary.url}${path}`, { agent }, (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode, body }), reject);
    }).on('error', reject);
  });
}

async function fleet(): Promise<readonly { readonly pid: number; readonly state: string }[]> {
  const all = JSON.parse((await ask('/fleet')).body) as { readonly pid: number; readonly state: string }[];
  return all.filter(({ state }) => state === 'ready');
}

async function metric(line: RegExp): Promise<number> {
  const response = await fetch(`${operators}/metrics`);
  const [, value = 'none'] = line.exec(await response.text()) ?? [];
  return Number(value);
}

it('workers share limits, tell of each other, and add up in the metrics of their machine', async () => {
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask('/limited')));
  expect(answers.filter(({ status }) => status === 204)).toHaveLength(5);
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(25);

  const pids = new Set<number>();
  let asked = 0;
  for (; pids.size < 2; asked++) pids.add(JSON.parse((await ask('/who')).body).pid);
  expect(new Set((await fleet()).map(({ pid }) => pid))).toEqual(pids);

  const requests = /^pando_http_request_duration_seconds_count\{[^}]*route="\/who"[^}]*\} (\d+)$/m;
  await waitFor(async () => (await metric(requests)) === asked, { message: `${asked} requests counted` });
  expect(await metric(/^pando_lifecycle_state\{state="ready"\} (\d+)$/m)).toBe(2);
});

it('workers are replaced, and then all ended, while no request fails', async () => {
  const before = (await fleet()).map(({ pid }) => pid);
  const agent = new Agent({ keepAlive: true });
  let isOver = false;
  let answered = 0;
  const failures: unknown[] = [];
  const visit = async (): Promise<void> => {
    while (!isOver) {
      await ask('/who', agent).then(
        ({ status }) => (status === 200 ? answered++ : failures.push(status)),
        (error) => failures.push(error),
      );
    }
  };
  const visits = Array.from({ length: 4 }, visit);
  process.kill(primary.pid as number, 'SIGHUP');
  await waitFor(
    async () => {
      const now = (await fleet()).map(({ pid }) => pid);
      return now.length === 2 && !now.some((pid) => before.includes(pid));
    },
    { timeoutMs: 30_000, message: 'two other workers' },
  );
  const ended = primary.terminate();
  await waitFor(async () => (await fetch(`${operators}/health/ready`)).status === 503);
  const alreadyAnswered = answered;
  await waitFor(() => answered > alreadyAnswered + 20, {
    message: 'requests served while the balancer learns',
  });
  isOver = true; // a balancer has noticed by now
  await Promise.all(visits);
  agent.destroy();
  expect(failures).toEqual([]);
  expect(await ended).toEqual({ code: 0, signal: null });
});
