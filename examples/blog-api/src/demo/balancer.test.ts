import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitFor } from '@pando/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Balancer } from './balancer.js';

/** Stands for an instance: says who it is, and whether it is ready. */
class Backend {
  isReady = true;
  readonly requests: IncomingMessage[] = [];
  readonly #server: Server;

  constructor(readonly name: string) {
    this.#server = createServer((incoming, outgoing) => {
      if (incoming.url === '/health/ready') return void outgoing.writeHead(this.isReady ? 200 : 503).end();
      this.requests.push(incoming);
      if (incoming.url === '/gone') return void incoming.socket.destroy();
      outgoing.writeHead(200, { 'x-name': name });
      incoming.pipe(outgoing);
    });
    this.#server.on('upgrade', (incoming, socket, head) => {
      this.requests.push(incoming);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
      socket.write(head);
      socket.pipe(socket);
    });
  }

  async listen(): Promise<number> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

describe('the balancer of the demo', () => {
  let backends: [Backend, Backend];
  let balancer: Balancer;
  let url: string;

  beforeEach(async () => {
    backends = [new Backend('a'), new Backend('b')];
    balancer = new Balancer(await Promise.all(backends.map((backend) => backend.listen())));
    url = await balancer.listen(0);
  });
  afterEach(async () => {
    await balancer.close();
    await Promise.all(backends.map((backend) => backend.close()));
  });

  const who = async (path = '/', init: RequestInit = {}) => {
    const answer = await fetch(`${url}${path}`, init);
    await answer.arrayBuffer();
    return answer.headers.get('x-name') ?? answer.status;
  };

  it('gives each instance its turn', async () => {
    expect([await who(), await who(), await who(), await who()]).toEqual(['a', 'b', 'a', 'b']);
  });

  it('hands on method, path, headers and body, and says for whom', async () => {
    const answer = await fetch(`${url}/p?q=1`, { method: 'PUT', body: 'text', headers: { 'x-mine': 'yes' } });
    expect(await answer.text()).toBe('text');
    const [received] = backends[0].requests;
    expect(received).toMatchObject({ method: 'PUT', url: '/p?q=1' });
    expect(received?.headers).toMatchObject({ 'x-mine': 'yes', 'x-forwarded-for': '127.0.0.1' });
  });

  it('leaves out an instance that is not ready, and takes it back when it is', async () => {
    const [a] = backends;
    a.isReady = false;
    await waitFor(async () => (await who()) === 'b' && (await who()) === 'b', {
      message: 'only b to answer',
    });
    a.isReady = true;
    await waitFor(async () => (await who()) === 'a', { message: 'a to answer again' });
  });

  it('asks the next one when an instance has gone, unless it may have changed something already', async () => {
    await backends[0].close();
    expect([await who(), await who()]).toEqual(['b', 'b']);
    expect(await who('/gone', { method: 'POST', body: 'x' })).toBe(502);
    await backends[1].close();
    expect([502, 503]).toContain(await who('/', { method: 'POST' }));
    await waitFor(async () => (await who()) === 503, { message: 'nobody to be ready' });
  });

  it('joins upgraded connections with an instance, both ways', async () => {
    const headers = { connection: 'upgrade', upgrade: 'echo', 'x-forwarded-for': '6.6.6.6' };
    const asked = request(url, { headers }).end();
    const [answer, socket] = await once(asked, 'upgrade');
    expect(answer.statusCode).toBe(101);
    socket.write('hello');
    const [echo] = await once(socket, 'data');
    expect(String(echo)).toBe('hello');
    expect(backends[0].requests[0]?.headers['x-forwarded-for']).toBe('127.0.0.1');
    socket.destroy();
  });
});
