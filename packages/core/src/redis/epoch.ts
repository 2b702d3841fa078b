import { randomUUID } from 'node:crypto';
import type { RedisClient, RedisClusterClient } from './client.js';
import epochSource from './lua/epoch-1.lua';
import type { RedisScript } from './ports.js';

/** Gives the valid epoch, after replacing the given one if it still is valid. */
export const epochScript = { name: 'epoch', source: epochSource, keyCount: 1 } satisfies RedisScript;

/** Arguments of {@link epochScript}: an epoch to begin if need be, the one that must not stay, and how to announce. */
export function epochArguments(
  unwanted = '',
  announce: 'PUBLISH' | 'SPUBLISH' = 'PUBLISH',
): readonly string[] {
  return [randomUUID(), unwanted, announce];
}

/** Learns the epoch on a connection that is not in use yet. */
export async function readEpoch(client: RedisClient | RedisClusterClient, key: string): Promise<string> {
  return String(
    await client.call('EVAL', epochScript.source, epochScript.keyCount, key, ...epochArguments()),
  );
}
