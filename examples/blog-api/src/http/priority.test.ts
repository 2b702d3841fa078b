import { expect, it } from 'vitest';
import { priorityOf } from './priority.js';

it.each([
  ['GET', '/api/v1/instances', {}, 'critical'],
  ['GET', '/api/posts', {}, 'sheddable'],
  ['GET', '/api/v1/posts?limit=5', {}, 'sheddable'],
  ['GET', '/api/posts', { authorization: 'Bearer x' }, 'normal'],
  ['GET', '/api/posts/7', {}, 'normal'],
  ['POST', '/api/posts', {}, 'normal'],
  ['GET', '/', {}, 'normal'],
] as const)('%s %s with %j is %s', (method, url, headers, priority) => {
  expect(priorityOf({ method, url, headers })).toBe(priority);
});
