import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GuardedProcess, waitFor } from '@pando/core/testing';
import { StartError } from '../failure.js';

/** One instance of the app, in a process of its own. */
export interface Instance {
  readonly name: string;
  readonly framework: 'express' | 'fastify';
  readonly url: string;
  readonly pid: number;
  /** Settles when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** What it has said. */
  output(): string;
  /** Asks it to end, as a platform would. */
  stop(): Promise<void>;
}

/** What to start. */
export interface InstancePlan {
  readonly name: string;
  readonly framework: Instance['framework'];
  readonly env: NodeJS.ProcessEnv;
  /** Where its log goes. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

const server = fileURLToPath(new URL('server.js', import.meta.url));
const readyLine = /blog-api is ready: http:\/\/localhost:(\d+)/;

/** Starts an instance on a free port, and resolves when it serves. */
export async function startInstance({
  name,
  framework,
  env,
  folder,
  signal,
}: InstancePlan): Promise<Instance> {
  const child = await GuardedProcess.start(process.execPath, [server], {
    outputFile: join(folder, `${name}.log`),
    env: { PATH: process.env.PATH, ...env, PORT: '0', INSTANCE_ID: name, FRAMEWORK: framework },
  });
  const port = await waitFor(() => readyLine.exec(child.output())?.[1] ?? (child.running ? false : 'none'), {
    timeoutMs: 30_000,
    signal,
    message: () => `${name} to be ready. It said: ${child.output({ lines: 5 })}`,
  });
  if (port === 'none')
    throw new StartError(`${name} could not start. It said: ${child.output({ lines: 5 })}`);
  return {
    name,
    framework,
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    ended: child.exited.then(() => undefined),
    output: () => child.output(),
    stop: async () => void (await child.end()),
  };
}
