import { randomBytes, randomInt } from 'node:crypto';
import { basename } from 'node:path';
import type { DatabaseUrls } from '@pando/core/testing';
import { createTestDatabase } from '@pando/core/testing';
import { expect, inject } from 'vitest';
import './provided.js';

/** The run's Redis, and names in it that no other test file uses. */
export interface TestRedis {
  readonly url: string;
  /** For the kit's or a room's `name` option. */
  readonly name: string;
  /** For keys that the test itself writes. */
  readonly prefix: string;
}

/** The run's shared Redis with a fresh name; call it once per file, or once per test for a clean slate. */
export function testRedis(): TestRedis {
  const name = uniqueName();
  return { url: provided('redisUrl'), name, prefix: `test:${name}:` };
}

/** A fresh, empty database in the run's shared cluster, on the primary and both replicas. */
export async function testDatabase(): Promise<DatabaseUrls> {
  return createTestDatabase(provided('postgresUrls'), uniqueName().replaceAll('-', '_'));
}

/** How much the fault and volume tests do: `PANDO_TEST_SIZE=full` for all of it. */
export function testSize(): 'short' | 'full' {
  return process.env.PANDO_TEST_SIZE === 'full' ? 'full' : 'short';
}

/** The seed of a randomised test: printed, and taken from `PANDO_TEST_SEED` to repeat a run. */
export function seed(): number {
  const given = process.env.PANDO_TEST_SEED;
  const value = given === undefined ? randomInt(2 ** 31) : Number(given);
  if (!Number.isSafeInteger(value))
    throw new Error(`PANDO_TEST_SEED must be a whole number, got "${given}".`);
  const test = expect.getState().currentTestName ?? fileName();
  console.log(`${test}: PANDO_TEST_SEED=${value}`);
  return value;
}

function provided<Key extends 'redisUrl' | 'postgresUrls'>(key: Key) {
  const value = inject(key);
  if (value === undefined)
    throw new Error(`Only the projects "servers" and "exclusive" have a shared server (${key}).`);
  return value;
}

function uniqueName(): string {
  return `${fileName()}-${randomBytes(4).toString('hex')}`;
}

function fileName(): string {
  return basename(expect.getState().testPath ?? 'test', '.test.ts')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40);
}
