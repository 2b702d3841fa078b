import { abortable, type Signalled } from './kernel/abort.js';
import { type Clock, sleep } from './kernel/clock.js';
import { RoomHungError } from './lifecycle/index.js';

/** Something that is closed; never rejects. */
export interface Closable {
  readonly name: string;
  close(): Promise<void>;
}

/** What the last ones get when one before them has used up the time. */
const graceMs = 150;

/**
 * Closes one after the other, in this order. When the signal aborts, one of them hangs: the rest are closed at once, without it.
 *
 * @throws `RoomHungError`, which names all that did not come to an end.
 */
export async function closeInOrder(
  rooms: readonly Closable[],
  clock: Clock,
  { signal }: Signalled = {},
): Promise<void> {
  const open = new Set(rooms.map(({ name }) => name));
  const close = (room: Closable) => room.close().then(() => void open.delete(room.name));
  const closing: Promise<void>[] = [];
  for (const room of rooms) {
    const closed = close(room);
    closing.push(closed);
    await abortable(closed, signal).catch(() => undefined);
  }
  if (open.size === 0) return;
  const enough = new AbortController();
  void Promise.all(closing).then(() => enough.abort());
  await sleep(clock, graceMs, { signal: enough.signal }).catch(() => undefined);
  if (open.size > 0) throw new RoomHungError([...open]);
}
