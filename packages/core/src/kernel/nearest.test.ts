import { expect, it } from 'vitest';
import { nearestOf } from './nearest.js';

it.each([
  ['prot', ['host', 'path', 'port'], 'port'],
  ['replica', ['primary', 'replicas'], 'replicas'],
  ['bd', ['db', 'cache'], 'db'],
  ['maxentries', ['maxEntries', 'maxBytes'], 'maxEntries'],
  ['readinesDelayMs', ['readinessDelayMs', 'requestsMs'], 'readinessDelayMs'],
])('finds for %s among %j: %s', (name, known, nearest) => {
  expect(nearestOf(name, known)).toBe(nearest);
});

it.each([
  ['ttl', ['name', 'ttlMs'], 'ttlMs'],
  ['ttlSeconds', ['name', 'ttlMs'], 'ttlMs'],
  ['commandTimeout', ['connectTimeoutMs', 'commandTimeoutMs'], 'commandTimeoutMs'],
  ['jitter', ['waitMs', 'jitterRatio'], 'jitterRatio'],
  ['maxByte', ['maxBytes', 'maxEntries'], 'maxBytes'],
])('does not mind a unit that is missing or another: %s means %s', (name, known, nearest) => {
  expect(nearestOf(name, known)).toBe(nearest);
});

it('lets the whole names decide between names that differ in their unit only', () => {
  expect(nearestOf('sizeBytez', ['sizeMs', 'sizeBytes'])).toBe('sizeBytes');
});

it.each([
  ['xy', ['db', 'ws']],
  ['colour', ['ttlMs', 'local']],
  ['x', []],
])('names nothing for %s when nothing of %j is near', (name, known) => {
  expect(nearestOf(name, known)).toBeUndefined();
});
