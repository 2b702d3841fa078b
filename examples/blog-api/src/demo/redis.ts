import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, GuardedProcess, waitFor } from '@pando/core/testing';
import { StartError } from '../failure.js';

/** A Redis that keeps nothing and ends with this process. */
export interface DemoRedis {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts redis-server on a free port, and resolves when it answers. */
export async function startRedis(program: string, folder: string, signal: AbortSignal): Promise<DemoRedis> {
  const port = await freePort();
  const options = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  const child = await GuardedProcess.start(program, options, {
    outputFile: join(folder, 'redis.log'),
    env: { PATH: process.env.PATH },
  });
  const said = () => `Redis said: ${child.output({ lines: 5 })}`;
  await waitFor(() => !child.running || answers(port), {
    signal,
    message: () => `Redis to answer. ${said()}`,
  });
  if (!child.running) throw new StartError(`Redis could not start. ${said()}`);
  return { url: `redis://127.0.0.1:${port}`, stop: async () => void (await child.end()) };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    socket.write('PING\r\n');
    const [reply] = (await once(socket, 'data')) as [Buffer];
    return reply.toString() === '+PONG\r\n';
  } finally {
    socket.destroy();
  }
}
