import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { waitFor } from '@pando/core/testing';
import { expect, it, onTestFinished } from 'vitest';
import { consult } from './consult.js';
import { silentServers } from './silent-servers.js';

const everyWay = (port: number) => [
  ...['--redis', `redis://127.0.0.1:${port}`, '--redis', `rediss://:swordfish@127.0.0.1:${port}`],
  ...['--db', `postgres://app:swordfish@127.0.0.1:${port}/shop`],
  ...['--replica', `postgres://app:swordfish@127.0.0.1:${port}/shop?sslmode=require`],
  ...['--url', `http://127.0.0.1:${port}`, '--instance', `https://ann:swordfish@127.0.0.1:${port}`],
];

/** Asks all of them at once: each is unknown, none is waited for for long, and no password is told. */
async function expectPatienceToEnd(port: number): Promise<void> {
  const { code, of, output } = await consult(
    ...everyWay(port),
    '--timeout-ms',
    '400',
    '--skip',
    'fleet.members',
  );
  const unknown = expect.stringMatching(/^unknown /);
  expect(of('redis.connection')).toEqual([unknown, unknown]);
  expect(of('db.connection')).toEqual([unknown, unknown]);
  expect(of('http.connection')).toEqual([unknown, unknown]);
  expect(code).toBe(2);
  expect(output).not.toContain('swordfish');
}

it('waits no longer than it was told for servers that take connections and say nothing', async () => {
  await using silent = await silentServers();
  await expectPatienceToEnd(silent.port);
});

it('waits no longer for ports on which connections are not even taken', async () => {
  // A frozen process whose queue is full: what comes then is dropped, as by a firewall.
  const listen = `const s = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 },
    () => console.log(s.address().port))`;
  const child = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    child.kill('SIGKILL');
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  child.kill('SIGSTOP');
  await waitFor(async () => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    const taken = once(socket, 'connect').then(() => true);
    return !(await Promise.race([taken, new Promise((resolve) => setTimeout(resolve, 200, false))]));
  });
  await expectPatienceToEnd(port);
});

it('waits no longer for an answer that never ends, and is never silent', async () => {
  const head = 'HTTP/1.1 200 OK\r\nx-pando-instance: a\r\ntransfer-encoding: chunked\r\n\r\n';
  await using dripping = await silentServers({ head, drop: '1\r\n.\r\n' });
  const { of } = await consult('--url', `http://127.0.0.1:${dripping.port}`, '--timeout-ms', '400');
  expect(of('http.connection')).toEqual([`unknown no answer from 127.0.0.1:${dripping.port} within 400 ms`]);
});
