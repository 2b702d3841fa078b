import { randomBytes } from 'node:crypto';
import { afterEach } from 'vitest';
import { createKernel } from '../../../packages/core/src/kernel/kernel.js';
import {
  createRedisFloor,
  type RedisFloor,
  type RedisOption,
  type RedisPlace,
} from '../../../packages/core/src/redis/index.js';

/** What a test may say about a floor it makes. */
export interface FloorSettings {
  /** The kit's name. @defaultValue one that nobody else uses */
  readonly name?: string;
  readonly instanceId?: string;
}

/** Makes floors, and closes them and what else it was handed after each test, last first. */
export function floorsOfThisFile() {
  const opened: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close();
  });

  const make = (option: RedisOption, settings: FloorSettings = {}): RedisFloor => {
    const kernel = createKernel({ name: settings.name ?? `t-${randomBytes(6).toString('hex')}` });
    const floor = createRedisFloor(option, kernel, { instanceId: settings.instanceId });
    opened.push(() => floor.close());
    return floor;
  };
  return {
    make,
    async open(option: RedisOption, settings?: FloorSettings): Promise<RedisFloor> {
      const floor = make(option, settings);
      await floor.start();
      return floor;
    },
    closeLater(close: () => Promise<unknown>): void {
      opened.push(close);
    },
  };
}

/** The same server, with a deadline that a busy machine keeps: for tests that are not about deadlines. */
export function patiently(option: RedisOption): RedisOption {
  const options =
    typeof option === 'string' ? { url: option } : 'duplicate' in option ? { client: option } : option;
  return { commandTimeoutMs: 3_000, ...options };
}

/** The names of the events of a floor or place from now on, in order. */
export function recordEvents(floor: Pick<RedisPlace, 'events'>): string[] {
  const names: string[] = [];
  for (const name of ['up', 'down', 'live', 'blind'] as const)
    floor.events.on(name, () => void names.push(name));
  return names;
}

/** Subscribes, and gives what arrives as texts, in order. */
export async function recordAnnouncements(
  floor: Pick<RedisPlace, 'subscribe'>,
  channel: string,
): Promise<string[]> {
  const heard: string[] = [];
  await floor.subscribe(channel, (payload) => void heard.push(payload.toString()));
  return heard;
}
