import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createTemporaryFolder, GuardedProcess, waitFor } from '@pando/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../infra/context.js';

const run = promisify(execFile);
const server = fileURLToPath(new URL('../../examples/blog-api/dist/server.js', import.meta.url));

describe.each([
  { FRAMEWORK: 'express', signal: 'SIGTERM' },
  { FRAMEWORK: 'fastify', signal: 'SIGINT' },
] as const)('the blog with nothing but FRAMEWORK=$FRAMEWORK', ({ FRAMEWORK, signal }) => {
  it(`starts with a Postgres inside, answers, and on ${signal} ends with code 0 and leaves nothing behind`, async () => {
    await using folder = await createTemporaryFolder('pando-start-');
    const blog = await GuardedProcess.start(process.execPath, [server], {
      outputFile: join(folder.path, 'output.log'),
      env: { PATH: process.env.PATH, PORT: '0', FRAMEWORK },
    });
    const said = () => `the blog to be ready. It said:\n${blog.output()}`;
    const [, url] = await waitFor(() => /^blog-api is ready: (\S+)$/m.exec(blog.output()), { message: said });
    expect(blog.output()).toContain(`curl ${url}/api/v1/posts\n`);

    const list = await fetch(`${url}/api/v1/posts`);
    expect(list.status).toBe(200);
    expect(await list.json()).toMatchObject({ total: 5, data: [{ title: 'Welcome' }, {}, {}, {}, {}] });
    const stream = await fetch(`${url}/api/notifications/sse`);
    expect(stream.headers.get('content-type')).toContain('text/event-stream');

    const children = await descendantsOf(blog.pid);
    const folders = children.flatMap(({ command }) => /\bpostgres -D (\S+)/.exec(command)?.[1] ?? []);
    expect(folders).toHaveLength(1);
    expect(folders.every((each) => existsSync(each))).toBe(true);

    expect(await blog.end(signal)).toEqual({ code: 0, signal: null });
    await stream.body?.cancel().catch(() => undefined); // cut, if the client had not noticed the end yet
    const pids = new Set(children.map((child) => child.pid));
    await waitFor(async () => !(await processes()).some((process) => pids.has(process.pid)), {
      message: 'all processes to be gone',
    });
    expect(folders.filter((each) => existsSync(each))).toEqual([]);
  });
});

describe('the blog', () => {
  let database: string;
  let port: number;
  const squatter = createServer();

  beforeAll(async () => {
    ({ primary: database } = await testDatabase());
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    port = (squatter.address() as { readonly port: number }).port;
  });
  afterAll(() => new Promise((resolve) => squatter.close(resolve)));

  it.each([
    [
      'an unknown framework',
      () => ({ FRAMEWORK: 'koa' }),
      /FRAMEWORK must be one of express, fastify, got "koa"/,
    ],
    ['a negative port', () => ({ PORT: '-1' }), /PORT must be a whole number from 0 to 65535, got "-1"/],
    ['a port that is no number', () => ({ PORT: 'http' }), /PORT must be a whole number/],
    ['a port beyond the last', () => ({ PORT: '65536' }), /PORT must be a whole number/],
    [
      'a database URL of another kind',
      () => ({ DATABASE_URL: 'mysql://db/blog' }),
      /DATABASE_URL must be a URL that begins with postgres:\/\//,
    ],
    ['replicas without a primary', () => ({ DATABASE_REPLICA_URLS: database }), /DATABASE_URL is not/],
    [
      'a database that nobody runs',
      () => ({ DATABASE_URL: 'postgres://127.0.0.1:1/blog' }),
      /127\.0\.0\.1:1/,
    ],
    [
      'a database that does not exist',
      () => ({ DATABASE_URL: database.replace(/\/[^/]*$/, '/no_such_blog') }),
      /no_such_blog/,
    ],
    [
      'a Redis that nobody runs',
      () => ({ DATABASE_URL: database, REDIS_URL: 'redis://127.0.0.1:1' }),
      /Redis at 127\.0\.0\.1:1 is away/,
    ],
    [
      'a port in use',
      () => ({ DATABASE_URL: database, PORT: String(port) }),
      /port \d+ of 127\.0\.0\.1 is in use/,
    ],
  ])('refuses %s in one line, with code 1', async (_what, env, line) => {
    const failure = await run(process.execPath, [server], {
      env: { PATH: process.env.PATH, PORT: '0', ...env() },
    }).catch((error: { readonly code: number; readonly stdout: string; readonly stderr: string }) => error);
    expect(failure).toMatchObject({ code: 1, stdout: '' });
    expect(failure.stderr).toMatch(/^blog-api: [^\n]+\n$/);
    expect(failure.stderr).toMatch(line);
  });
});

interface SystemProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

async function processes(): Promise<SystemProcess[]> {
  const { stdout } = await run('ps', ['-A', '-ww', '-o', 'pid=,ppid=,args=']);
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, command = ''] = /^ *(\d+) +(\d+) +(.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
}

async function descendantsOf(root: number): Promise<SystemProcess[]> {
  const all = await processes();
  const found: SystemProcess[] = [];
  for (let parents = [root]; parents.length > 0; ) {
    const children = all.filter(({ parent }) => parents.includes(parent));
    found.push(...children);
    parents = children.map(({ pid }) => pid);
  }
  return found;
}
