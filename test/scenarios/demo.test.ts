import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { requireServer } from '../infra/servers.js';

const run = promisify(execFile);
const demo = fileURLToPath(new URL('../../examples/blog-api/dist/demo.js', import.meta.url));

it('the demo shows that three instances are one, and with --once ends by itself and leaves nothing behind', async () => {
  const env = { PATH: process.env.PATH, PORT: '0', REDIS_SERVER: requireServer('redis') };
  const { stdout, stderr } = await run(process.execPath, [demo, '--once'], { env });
  expect(stderr).toBe('');

  const turns = [...stdout.matchAll(/GET {2}\/api\/v1\/posts {5}200 {2}(\S+)/g)].map(([, name]) => name);
  expect(turns).toEqual(['express-1', 'express-2', 'fastify-1', 'express-1']);
  const reads = [...stdout.matchAll(/GET {2}\/api\/v1\/posts\/\d+ +200 {2}(\S+)/g)].map(([, name]) => name);
  expect(reads).toEqual(['express-2', 'fastify-1', 'express-1']);
  const events = [...stdout.matchAll(/^ {2}(\S+) .* ms after it was sent: \{"type":"post.created"/gm)];
  expect(events.map(([, name]) => name)).toEqual(['express-1', 'express-2', 'fastify-1']);

  const pids = [...stdout.matchAll(/process (\d+)$/gm)].map(([, pid]) => Number(pid));
  expect(pids).toHaveLength(3);
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  const [, folder] = /^Logs are in (\S+)/m.exec(stdout) ?? [];
  expect(folder).toBeDefined();
  expect(existsSync(String(folder))).toBe(false);
});
