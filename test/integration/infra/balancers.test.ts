import { get } from 'node:http';
import { waitFor } from '@pando/core/testing';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { startHaproxy, startNginx, startTcpBalancer } from '../../infra/balancers.js';
import type { InstanceGroup } from '../../infra/instances.js';
import { startInstances } from '../../infra/instances.js';

const entry = new URL('../../fixtures/tiny-app.ts', import.meta.url).pathname;
let group: InstanceGroup;

beforeAll(async () => {
  group = await startInstances({ count: 3, entry });
});
afterAll(() => group.close());

const balancers = {
  nginx: (ports: number[]) => startNginx({ ports }),
  haproxy: (ports: number[]) => startHaproxy({ ports, healthPath: '/health/ready' }),
  'the TCP balancer': (ports: number[]) => startTcpBalancer({ ports }),
};

test.each(Object.entries(balancers))(
  '%s spreads connections, streams events and upgrades WebSockets',
  async (_name, start) => {
    await using balancer = await start(group.ports);
    const seen = new Set<string>();
    await waitFor(async () => {
      const { body } = await fetchOnce(`${balancer.url}/who`);
      return seen.add(body).size === 3;
    });

    const lagsMs = await eventLags(`${balancer.url}/events`, 4);
    expect(Math.min(...lagsMs)).toBeLessThan(150); // events come every 200 ms: one that waits for the next is later

    const socket = new WebSocket(`${balancer.url.replace('http', 'ws')}/echo`);
    onTestFinished(() => socket.terminate());
    socket.once('open', () => socket.send('hello'));
    const answer = await new Promise<string>((resolve, reject) => {
      socket.once('message', (data) => resolve(String(data)));
      socket.once('error', reject);
    });
    expect(answer).toMatch(/^[123]: hello$/);
  },
);

test.each(Object.entries(balancers))(
  '%s gives the work of a dead instance to the others',
  async (_name, start) => {
    await using own = await startInstances({ count: 2, entry });
    await using balancer = await start(own.ports);
    await own.instances[0]?.kill();
    for (let request = 0; request < 6; request++) {
      expect(await fetchOnce(`${balancer.url}/who`)).toEqual({ status: 200, body: 'hello from 2' });
    }
  },
);

test('nginx with a plain configuration refuses WebSockets', async () => {
  await using nginx = await startNginx({ ports: group.ports, config: 'plain' });
  expect((await fetchOnce(`${nginx.url}/who`)).status).toBe(200);
  const socket = new WebSocket(`${nginx.url.replace('http', 'ws')}/echo`);
  const error = await new Promise<Error>((resolve) => socket.once('error', resolve));
  expect(error.message).toMatch(/Unexpected server response: 404/);
});

/** On a connection of its own, so that a balancer of connections has something to balance. */
function fetchOnce(url: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode, body });
    }).once('error', reject);
  });
}

/** How late each event of a stream arrives, in milliseconds after it was written. */
function eventLags(url: string, count: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const lags: number[] = [];
    const request = get(url, { agent: false }, (response) => {
      response.on('data', (chunk) => {
        for (const [, at] of String(chunk).matchAll(/data: (\d+)/g)) lags.push(Date.now() - Number(at));
        if (lags.length < count) return;
        request.destroy();
        resolve(lags);
      });
    });
    request.once('error', reject);
  });
}
