import { expect, test } from 'vitest';
import { createKernel } from '../kernel/kernel.js';
import { createMetrics } from '../metrics/index.js';
import { exposedValue, parseExposition } from '../testing/exposition.js';
import { createFakeClock } from '../testing/fake-clock.js';
import type { Exchange } from './exchange.js';
import { RequestMetrics } from './request-metrics.js';

function setup() {
  const clock = createFakeClock();
  const room = createMetrics();
  const metrics = new RequestMetrics(createKernel({ clock, meter: room.meter }));
  const value = async (name: string, labels?: Record<string, string>) =>
    exposedValue(parseExposition(await room.expose(), room.contentType), name, labels);
  return { clock, metrics, value };
}

const exchange = (part: Partial<Exchange>): Exchange =>
  ({ method: 'GET', route: '/x', status: 200, streaming: false, ...part }) as Exchange;

test('a request is in flight until it is over, then counted and timed', async () => {
  const { clock, metrics, value } = setup();
  const record = metrics.begin(exchange({}));
  expect(await value('pando_http_requests_in_flight')).toBe(1);
  await clock.advance(250);
  metrics.end(record, 'answered');
  expect(await value('pando_http_requests_in_flight')).toBe(0);
  expect(await value('pando_http_requests_total', { method: 'GET', route: '/x', status: '200' })).toBe(1);
  expect(await value('pando_http_request_duration_seconds_sum', { method: 'GET', route: '/x' })).toBe(0.25);
});

test('methods and routes that nobody has written down make no series of their own', async () => {
  const { metrics, value } = setup();
  for (const method of ['BREW', 'get', 'PROPFIND']) {
    metrics.end(metrics.begin(exchange({ method, route: undefined, status: 404 })), 'answered');
  }
  const labels = { method: '_OTHER', route: '(unmatched)', status: '404' };
  expect(await value('pando_http_requests_total', labels)).toBe(3);
});

test('a client that went away counts as 499, whatever the status would have been', async () => {
  const { metrics, value } = setup();
  metrics.end(metrics.begin(exchange({})), 'aborted');
  expect(await value('pando_http_requests_total', { method: 'GET', route: '/x', status: '499' })).toBe(1);
});

test('a stream leaves the requests in flight once, and is counted but not timed', async () => {
  const { metrics, value } = setup();
  const record = metrics.begin(exchange({ streaming: true }));
  metrics.becomeStream(record);
  metrics.becomeStream(record);
  expect(await value('pando_http_requests_in_flight')).toBe(0);
  metrics.end(record, 'aborted');
  expect(await value('pando_http_requests_in_flight')).toBe(0);
  expect(await value('pando_http_requests_total', { method: 'GET', route: '/x', status: '200' })).toBe(1);
  expect(await value('pando_http_request_duration_seconds_count', { method: 'GET', route: '/x' })).toBe(0);
});
