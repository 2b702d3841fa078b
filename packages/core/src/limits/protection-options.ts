import { type OptionsReader, readOptions } from '../kernel/options.js';
import type { OnUnavailable, Policy } from './decision.js';
import { readWindows, type WindowOption } from './windows.js';

/** How many failures are borne, and what comes then. */
export interface ProtectionSettings {
  /** Failures from one address, whatever the account; then it is refused. @defaultValue 20 in 15 minutes */
  readonly address?: WindowOption | readonly WindowOption[] | undefined;
  /** Failures at one account, from wherever; then attempts at it are slowed, but not refused. @defaultValue 10 in 15 minutes */
  readonly account?: WindowOption | readonly WindowOption[] | undefined;
  /** Failures at one account from one address; then the two are blocked for each other. @defaultValue 5 in 15 minutes */
  readonly pair?: WindowOption | readonly WindowOption[] | undefined;
  /**
   * For how long the first block holds, the second, and so on, the last for all that follow. False leaves it at the window.
   *
   * @defaultValue a minute, 5 minutes, half an hour, a day
   */
  readonly blockMs?: readonly number[] | false | undefined;
  /** How long an attempt at an account with too many failures waits. @defaultValue 2 seconds */
  readonly slowMs?: number | undefined;
  /** What happens while Redis is away. @defaultValue the room's */
  readonly onUnavailable?: OnUnavailable | undefined;
}

/** A protection as it was understood: four counters. */
export interface Protection {
  readonly name: string;
  readonly address: Policy;
  readonly account: Policy;
  readonly pair: Policy;
  /** Counts the blocks of a pair. */
  readonly blocks: Policy;
  /** Empty: none. */
  readonly blockMs: readonly number[];
  readonly slowMs: number;
}

/** The defaults. */
export const protectionDefaults = Object.freeze({
  address: '20/15m',
  account: '10/15m',
  pair: '5/15m',
  blockMs: Object.freeze([60_000, 300_000, 1_800_000, 86_400_000]),
  slowMs: 2_000,
});

const validName = /^[A-Za-z0-9_.-]{1,64}$/;
const longestBlockMs = 12 * 86_400_000;
/** How long a block is remembered, at least. */
const shortestMemoryMs = 86_400_000;
/** More blocks than anybody lives to see. */
const manyBlocks = 1_000_000;

/** Reads `protections`. */
export function readProtections(
  limits: OptionsReader,
  choices: readonly OnUnavailable[],
  standard: OnUnavailable,
): readonly Protection[] {
  const protections = limits.any('protections', {});
  if (typeof protections !== 'object' || protections === null || Array.isArray(protections))
    limits.fail('protections', 'an object of protections');
  const reader = readOptions('limits.protections', protections);
  return Object.keys(protections).map((name) => {
    if (!validName.test(name)) reader.fail(name, 'named with 1 to 64 letters, digits, "_", "-" or "."');
    const settings = reader.nested(name);
    const common = {
      algorithm: 'strict',
      onUnavailable: settings.oneOf('onUnavailable', choices, standard),
      shadow: false,
    } as const;
    const counter = (part: 'address' | 'account' | 'pair'): Policy => ({
      ...common,
      name: `${name}:${part}`,
      windows: readWindows(settings, part, protectionDefaults[part]),
    });
    const blockMs = readBlocks(settings);
    const memoryMs = Math.max(shortestMemoryMs, ...blockMs.map((ms) => 2 * ms));
    const protection: Protection = {
      name,
      address: counter('address'),
      account: counter('account'),
      pair: counter('pair'),
      blocks: {
        ...common,
        name: `${name}:blocks`,
        algorithm: 'fixed',
        windows: [{ limit: manyBlocks, windowMs: memoryMs }],
      },
      blockMs,
      slowMs: settings.ms('slowMs', protectionDefaults.slowMs, { max: 60_000 }),
    };
    settings.done();
    return protection;
  });
}

function readBlocks(settings: OptionsReader): readonly number[] {
  const blocks = settings.any('blockMs', protectionDefaults.blockMs);
  if (blocks === false) return [];
  const isList =
    Array.isArray(blocks) &&
    blocks.length > 0 &&
    blocks.every((ms) => Number.isSafeInteger(ms) && ms >= 1 && ms <= longestBlockMs);
  if (!isList) settings.fail('blockMs', 'a list of durations in milliseconds, each up to 12 days, or false');
  return [...(blocks as readonly number[])];
}
