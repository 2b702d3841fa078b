import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../testing/fake-clock.js';
import { Pulse } from './hub/pulse.js';
import { Outbox } from './outbox.js';
import { SendBudget } from './send-budget.js';

const stallMs = 30_000;

function setUp(totalBytes: number) {
  const clock = createFakeClock();
  const pulse = new Pulse(clock, 1_000, () => undefined);
  const budget = new SendBudget({ softLimitBytes: 1_000, totalBytes });
  const slowClient = (takes = 0) => {
    const wire = {
      queuedBytes: 0,
      writes: [] as number[],
      write(pieces: readonly Uint8Array[]): boolean {
        this.writes.push(pieces.length);
        for (const { length } of pieces) this.queuedBytes += length;
        this.queuedBytes = Math.max(0, this.queuedBytes - takes);
        return this.queuedBytes === 0;
      },
    };
    const outbox = new Outbox<Uint8Array>(wire, { budget, stallMs }, pulse);
    const send = (bytes: number): boolean => {
      outbox.gather(new Uint8Array(bytes));
      return outbox.write();
    };
    return { wire, outbox, send };
  };
  return { clock, budget, slowClient };
}

describe('an outbox', () => {
  it('hands over in one write what was gathered, and nothing when there is nothing', () => {
    const { wire, outbox } = setUp(10_000).slowClient(1_000);
    for (let n = 0; n < 3; n++) outbox.gather(new Uint8Array(10));
    expect(outbox.unsentBytes).toBe(30);
    outbox.write();
    outbox.write();
    expect(wire.writes).toEqual([3]);
    expect(outbox.isEmpty).toBe(true);
  });

  it('is full at the soft limit, until the wire drains', () => {
    const { wire, outbox, send } = setUp(1_000_000).slowClient();
    expect(send(999)).toBe(true); // the first refusal
    expect(outbox.isFull).toBe(false);
    expect(send(1)).toBe(false);
    expect(outbox.isFull).toBe(true);
    wire.queuedBytes = 0;
    outbox.noteDrain();
    expect(outbox.isFull).toBe(false);
  });

  it('counts as stuck when the client takes nothing for too long, not when it takes little', async () => {
    const { clock, slowClient } = setUp(1_000_000);
    const { wire, outbox, send } = slowClient();
    send(500);
    await clock.advance(stallMs - 1_000);
    expect(outbox.isStuck()).toBe(false);
    wire.queuedBytes -= 1;
    expect(outbox.isStuck()).toBe(false);
    await clock.advance(stallMs - 1_000);
    expect(outbox.isStuck()).toBe(false);
    await clock.advance(1_000);
    expect(outbox.isStuck()).toBe(true);
  });
});

describe('the budget of all slow clients', () => {
  it('is shared: when there are too many, those with the most waiting are full first', () => {
    const { budget, slowClient } = setUp(3_000);
    const clients = Array.from({ length: 10 }, () => slowClient());
    for (const [index, { send }] of clients.entries()) send(100 * index + 50);
    expect(budget.waiting).toBe(10);
    // 300 bytes for each: those with 50, 150 and 250 may have more.
    expect(clients.map(({ outbox }) => outbox.isFull)).toEqual(clients.map((_, index) => index > 2));
  });

  it('keeps what waits within it, however many clients there are and whatever comes', () => {
    const { slowClient } = setUp(3_000);
    const clients = Array.from({ length: 50 }, () => slowClient());
    for (let n = 0; n < 100; n++) for (const { outbox, send } of clients) if (!outbox.isFull) send(10);
    const waiting = clients.reduce((sum, { wire }) => sum + wire.queuedBytes, 0);
    expect(waiting).toBeLessThanOrEqual(3_000 + clients.length * 10);
  });

  it('gets back what drained and who has gone', () => {
    const { budget, slowClient } = setUp(1_500);
    const [one, two, three] = [slowClient(), slowClient(), slowClient()];
    for (const { send } of [one, two, three]) send(600);
    expect(one.outbox.isFull).toBe(true);
    two.outbox.noteDrain();
    expect(one.outbox.isFull).toBe(false);
    three.outbox.close();
    three.outbox.close();
    expect(budget.waiting).toBe(1);
  });
});
