/*
 * id = 0 | 41 bits: milliseconds since 2020-01-01T00:00Z | 13 bits: slot | 9 bits: number within the millisecond
 *
 * Fits Postgres' bigint and sorts by time until 2089. In SQL: the slot is `(id >> 9) & 8191`, the instant
 * `to_timestamp(((id >> 22) + 1577836800000) / 1000.0)`.
 */
const numberBits = 9n;
const slotBits = 13n;
/** 2020-01-01T00:00Z. */
export const idEpochMs = 1_577_836_800_000;
const numberMask = (1n << numberBits) - 1n;
const slotMask = 8_191n;
const maxId = (1n << 63n) - 1n;

/**
 * A tick of the clock that a shard gives out, each once: milliseconds since {@link idEpochMs}, shifted by nine bits for the
 * number within the millisecond.
 */
export type Tick = bigint;

/** The id of a tick in a slot. */
export function composeId(tick: Tick, slot: number): string {
  const ms = tick >> numberBits;
  return ((ms << (slotBits + numberBits)) | (BigInt(slot) << numberBits) | (tick & numberMask)).toString();
}

/** The slot that an id carries; undefined for what `newId` cannot have made. */
export function slotOfId(id: string | number | bigint): number | undefined {
  const value = readId(id);
  return value === undefined ? undefined : Number((value >> numberBits) & slotMask);
}

function readId(id: string | number | bigint): bigint | undefined {
  if (typeof id === 'number' && !Number.isSafeInteger(id)) return undefined; // a number cannot hold one exactly
  if (typeof id === 'string' && !/^\d{1,19}$/.test(id)) return undefined;
  const value = BigInt(id);
  return value >= 0n && value <= maxId ? value : undefined;
}
