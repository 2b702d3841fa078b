import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
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
   * `'streaming'` as our deployment guide says; `'plain'` for a bare `proxy_pass`, as many set it up: responses are
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
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream app {
    least_conn;
    ${ports.map((upstream) => `server 127.0.0.1:${upstream} max_fails=1 fail_timeout=1s;`).join('\n    ')}
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://app;${streams ? nginxStreaming : ''}
    }
  }
}
`;
}

const nginxStreaming = `
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      proxy_read_timeout 1h;`;

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

/** Without `http-no-delay` each event of a stream waits for the next one. */
function haproxyConfig(ports: readonly number[], port: number, healthPath: string | undefined): string {
  return `global
  maxconn 8000
defaults
  mode http
  option http-no-delay
  option redispatch
  option forwardfor
  retries 3
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend door
  bind 127.0.0.1:${port}
  default_backend app
backend app
  balance leastconn
  ${healthPath === undefined ? '' : `option httpchk GET ${healthPath}`}
  default-server check inter 200ms fall 2 rise 1
  ${ports.map((upstream) => `server port${upstream} 127.0.0.1:${upstream}`).join('\n  ')}
`;
}

/** A balancer that knows TCP only: each connection goes to the next instance that accepts it. */
export class TcpBalancer implements AsyncDisposable {
  readonly #ports: readonly number[];
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
