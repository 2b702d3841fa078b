import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ServerProcess } from './server-process.js';
import { requireServer } from './servers.js';

export interface BalancerOptions {
  /** The instances' ports on 127.0.0.1. */
  readonly ports: readonly number[];
  /** The balancer's own port. @defaultValue a free one */
  readonly port?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface NginxOptions extends BalancerOptions {
  /**
   * `'streaming'` as docs/how-to/behind-a-load-balancer.md says; `'plain'` for a bare `proxy_pass`, as many set it up: responses are
   * buffered and WebSockets refused. @defaultValue `'streaming'`
   */
  readonly config?: 'streaming' | 'plain' | undefined;
}

export interface HaproxyOptions extends BalancerOptions {
  /** Asked five times a second; an instance that does not answer 2xx or 3xx gets nothing. @defaultValue only that it accepts */
  readonly healthPath?: string | undefined;
}

/** nginx in front of the instances. */
export async function startNginx({
  ports,
  port,
  config = 'streaming',
  signal,
}: NginxOptions): Promise<ServerProcess> {
  return ServerProcess.start({
    name: 'nginx',
    command: requireServer('nginx'),
    port,
    signal,
    async prepare(ownPort, folder) {
      const file = join(folder, 'nginx.conf');
      await writeFile(file, nginxConfig(ports, ownPort, folder, config === 'streaming'));
      return ['-p', folder, '-e', 'stderr', '-c', file];
    },
  });
}

function nginxConfig(ports: readonly number[], port: number, folder: string, streams: boolean): string {
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
pid ${folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
worker_rlimit_nofile 16384;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 8192; }
http {
  access_log off;
  ${bodies.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  ${streams ? documented('nginx', ports, port) : plainNginx(ports, port)}
}
`;
}

function plainNginx(ports: readonly number[], port: number): string {
  return `upstream app {
    ${ports.map((upstream) => `server 127.0.0.1:${upstream};`).join('\n    ')}
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://app;
    }
  }`;
}

const guide = fileURLToPath(new URL('../../docs/how-to/behind-a-load-balancer.md', import.meta.url));

/** The configuration that the guide recommends, with other ports. */
function documented(language: 'nginx' | 'haproxy', ports: readonly number[], port: number): string {
  const [, config] =
    new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readFileSync(guide, 'utf8')) ?? [];
  if (config === undefined) throw new Error(`${guide} has no ${language} configuration.`);
  const servers = {
    nginx: /(?: *server 127\.0\.0\.1:\d+;\n)+/,
    haproxy: /(?: *server \w+ 127\.0\.0\.1:\d+\n)+/,
  };
  const server = {
    nginx: (to: number) => `server 127.0.0.1:${to} max_fails=1 fail_timeout=1s;`,
    haproxy: (to: number) => `server port${to} 127.0.0.1:${to}`,
  };
  return config
    .replace(servers[language], `${ports.map(server[language]).join('\n')}\n`)
    .replace(/listen 80;/, `listen 127.0.0.1:${port};`)
    .replace(/bind :80/, `bind 127.0.0.1:${port}`);
}

/** haproxy in front of the instances. */
export async function startHaproxy({
  ports,
  port,
  healthPath,
  signal,
}: HaproxyOptions): Promise<ServerProcess> {
  return ServerProcess.start({
    name: 'haproxy',
    command: requireServer('haproxy'),
    port,
    signal,
    async prepare(ownPort, folder) {
      const file = join(folder, 'haproxy.cfg');
      await writeFile(file, haproxyConfig(ports, ownPort, healthPath));
      return ['-db', '-f', file];
    },
  });
}

function haproxyConfig(ports: readonly number[], port: number, healthPath: string | undefined): string {
  const check = healthPath === undefined ? '' : `option httpchk GET ${healthPath}`;
  const config = documented('haproxy', ports, port)
    .replace(/option httpchk .*/, check)
    .replace('inter 2s', 'inter 200ms'); // tests do not wait that long for the balancer to notice
  return `global\n  maxconn 8000\n${config}`;
}

/** A balancer that knows TCP only: each connection goes to the next instance that accepts it. */
export class TcpBalancer implements AsyncDisposable {
  #ports: readonly number[];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next = 0;

  constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#server = createServer((client) => this.#serve(client));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Connections that come from now on go there; those that are open stay where they are. */
  lead(ports: readonly number[]): void {
    this.#ports = ports;
  }

  async listen(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #serve(client: Socket): void {
    this.#track(client);
    this.#connect(client, this.#ports.length);
  }

  #connect(client: Socket, attempts: number): void {
    const port = this.#ports[this.#next++ % this.#ports.length];
    if (attempts === 0 || port === undefined || client.destroyed) {
      client.destroy();
      return;
    }
    const upstream = connect(port, '127.0.0.1');
    this.#track(upstream);
    const next = () => this.#connect(client, attempts - 1);
    upstream.once('error', next);
    upstream.once('connect', () => {
      upstream.off('error', next);
      client.once('close', () => upstream.destroy());
      upstream.once('close', () => client.destroy());
      client.pipe(upstream).pipe(client);
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined); // 'close' follows
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

/** Starts a round-robin TCP balancer inside this process. */
export async function startTcpBalancer({ ports, port }: BalancerOptions): Promise<TcpBalancer> {
  const balancer = new TcpBalancer(ports);
  await balancer.listen(port);
  return balancer;
}
