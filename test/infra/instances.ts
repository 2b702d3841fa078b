import { get } from 'node:http';
import { bundleEntry } from './bundle-entry.js';
import { ServerProcess } from './server-process.js';

export interface InstancesOptions {
  /** @defaultValue `1` */
  readonly count?: number | undefined;
  /** The program: a TypeScript file, which is bundled with the packages' sources, or a JavaScript file, run as it is. */
  readonly entry: string;
  /** For every instance, or computed for each. `PORT`, `HOST` and `INSTANCE` (1, 2, …) are set anyway. */
  readonly env?: NodeJS.ProcessEnv | ((index: number) => NodeJS.ProcessEnv) | undefined;
  /** Arguments for Node, before the program. */
  readonly nodeArgs?: readonly string[] | undefined;
  /** Another Node than the one that runs the tests. */
  readonly node?: string | undefined;
  /** An instance is ready when this path answers 200, or when it has printed a line that begins with "ready". @defaultValue `'/health/ready'` */
  readonly readyPath?: string | undefined;
  /** @defaultValue `15_000` */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Several processes of one app, each on a port of its own. */
export class InstanceGroup implements AsyncDisposable {
  readonly instances: readonly ServerProcess[];

  constructor(instances: readonly ServerProcess[]) {
    this.instances = instances;
  }

  get ports(): number[] {
    return this.instances.map(({ port }) => port);
  }

  get urls(): string[] {
    return this.instances.map(({ url }) => url);
  }

  /** What all of them have printed; for the message of a failed test. */
  output(): string {
    return this.instances
      .map((instance, index) => `--- instance ${index + 1}\n${instance.output()}`)
      .join('\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Starts instances of an app as real processes and resolves when all are ready. */
export async function startInstances(options: InstancesOptions): Promise<InstanceGroup> {
  const { count = 1, entry } = options;
  const program = /\.[cm]?ts$/.test(entry) ? await bundleEntry(entry) : entry;
  const starting = Array.from({ length: count }, (_, index) => startInstance(program, index, options));
  const settled = await Promise.allSettled(starting);
  const group = new InstanceGroup(settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
  try {
    await Promise.all(starting);
  } catch (error) {
    await group.close();
    throw error;
  }
  return group;
}

async function startInstance(
  program: string,
  index: number,
  options: InstancesOptions,
): Promise<ServerProcess> {
  const { env = {}, nodeArgs = [], node = process.execPath, readyPath = '/health/ready' } = options;
  const own = typeof env === 'function' ? env(index) : env;
  return ServerProcess.start({
    name: `instance-${index + 1}`,
    command: node,
    prepare: async () => ['--enable-source-maps', ...nodeArgs, program],
    env: (port) => ({
      ...passedOn(),
      HOST: '127.0.0.1',
      PORT: String(port),
      INSTANCE: String(index + 1),
      ...own,
    }),
    isReady: async ({ port, output }) => /^ready\b/m.test(output) || (await answers(port, readyPath)),
    timeoutMs: options.timeoutMs ?? 15_000,
    signal: options.signal,
  });
}

/** Of the tests' environment an instance sees only what makes coverage work. */
function passedOn(): NodeJS.ProcessEnv {
  const { NODE_V8_COVERAGE } = process.env;
  return NODE_V8_COVERAGE === undefined ? {} : { NODE_V8_COVERAGE };
}

function answers(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
