import { randomBytes } from 'node:crypto';
import { createRealtime, type Realtime } from '@pando/core/realtime';
import { waitFor } from '@pando/core/testing';
import { afterEach, expect, it } from 'vitest';
import type { Outlet, Piece } from '../../../packages/core/src/kernel/outlet.js';
import { testRedis, testSize } from '../../infra/context.js';

const isFull = testSize() === 'full';
const MESSAGES = isFull ? 400 : 40;
const CLIENTS = isFull ? 200 : 16;
/** The largest that an event may be, as it comes. */
const MESSAGE_BYTES = 262_144;

const opened: Realtime[] = [];
afterEach(async () => {
  for (const room of opened.splice(0)) await room.close();
});

async function open(name: string): Promise<Realtime> {
  const room = createRealtime({ redis: testRedis().url, name });
  opened.push(room);
  await room.start();
  return room;
}

/** An event that takes as many bytes as it may. */
function largest(n: number): { readonly n: number; readonly pad: string } {
  return { n, pad: 'x'.repeat(MESSAGE_BYTES - JSON.stringify({ n, pad: '' }).length) };
}

/** A client that remembers which messages it was sent and not their bytes, and takes a turn for each write. */
class Client implements Outlet {
  readonly heard: (number | 'reset')[] = [];
  queuedBytes = 0;
  #drain: () => void = () => undefined;

  write(pieces: readonly Piece[]): boolean {
    for (const { plain } of pieces) {
      this.queuedBytes += plain.length;
      for (const [, n] of plain.toString('latin1').matchAll(/^(?:event: reset|data: {"n":(\d+))/gm))
        this.heard.push(n === undefined ? 'reset' : Number(n));
    }
    setImmediate(() => {
      this.queuedBytes = 0;
      this.#drain();
    });
    return false;
  }

  onDrain(listener: () => void): void {
    this.#drain = listener;
  }

  onClose(): void {}
  end(): void {}
  destroy(): void {}
}

it('a history of the largest messages reaches all who missed it, each from a place of its own, in order', async () => {
  const name = `large-${randomBytes(4).toString('hex')}`;
  const [one, two] = [await open(name), await open(name)];
  const positions: string[] = [];
  for (let n = 0; n < MESSAGES; n++) positions.push((await one.publish('c', largest(n))).position);

  const clients = positions.slice(0, CLIENTS).map((lastEventId) => ({ lastEventId, client: new Client() }));
  for (const { client, lastEventId } of clients) await two.openSse(client, { channels: ['c'], lastEventId });
  await waitFor(() => clients.every(({ client: { heard } }) => heard.at(-1) === MESSAGES - 1), {
    timeoutMs: isFull ? 240_000 : 60_000,
  });
  for (const [index, { client }] of clients.entries())
    expect(client.heard).toEqual(Array.from({ length: MESSAGES - 1 - index }, (_, n) => index + 1 + n));
}, 300_000);
