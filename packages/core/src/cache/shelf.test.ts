import { expect, it } from 'vitest';
import { jsonCodec } from '../kernel/codec.js';
import { emptyToken } from '../kernel/token.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { createMemoryWorld, MemoryLevel } from './drivers/memory.js';
import { Follower } from './follower.js';
import { encodeFrame } from './frame.js';
import { KeyCodecs } from './key-codecs.js';
import { lifetimeDefaults } from './lifetime.js';
import { Positions } from './positions.js';
import { soundRules } from './rules.js';
import { Shelf } from './shelf.js';

const clock = createFakeClock();
const level = new MemoryLevel(createMemoryWorld({ clock }));
const positions = new Positions(100);
const follower = new Follower({
  level,
  clock,
  positions,
  adopted: () => undefined,
  replayed: () => undefined,
});
const reopening = { isOpen: true };
const shelf = new Shelf({
  ...{
    clock,
    codecs: new KeyCodecs({ codec: jsonCodec, copies: 'shared' }),
    level,
    local: undefined,
    follower,
    reopening,
  },
  rules: soundRules,
});

const frame = (epoch: string, asOf: number, codec = 'json', payload = Buffer.from('"value"')) =>
  encodeFrame({
    ...{ epoch, asOf, expiresAt: clock.now() + 1_000, staleMs: 0, staleIfErrorMs: 0 },
    ...{ tags: ['x'], seen: emptyToken, codec, isNothing: false, payload },
  });
const find = (bytes: Buffer, epoch: string, sequence: number) =>
  shelf.find('x', bytes, { epoch, sequence, floor: 0 }, ['x'], {
    context: { token: emptyToken },
    lifetime: lifetimeDefaults,
  });

it('finds what is valid at the clock that was answered with it', async () => {
  positions.adopt({ epoch: 'one', sequence: 9, floor: 0 });
  expect((await find(frame('one', 9), 'one', 9))?.value).toBe('value');
  expect(await find(frame('one', 9), 'one', 10)).toBeUndefined();
  expect(await find(frame('other', 9), 'one', 9)).toBeUndefined();
});

it('does not judge a value by the sequences of an epoch that came in between', async () => {
  positions.adopt({ epoch: 'two', sequence: 3, floor: 0 });
  expect(await find(frame('one', 450), 'one', 500)).toBeUndefined();
});

it('finds nothing in what it cannot read', async () => {
  positions.adopt({ epoch: 'one', sequence: 9, floor: 0 });
  expect(await find(frame('one', 9, 'other'), 'one', 9)).toBeUndefined();
  expect(await find(frame('one', 9, 'json', Buffer.from('{"cut')), 'one', 9)).toBeUndefined();
});

it('gives nothing out while the shared level may lack invalidations', async () => {
  positions.adopt({ epoch: 'one', sequence: 9, floor: 0 });
  reopening.isOpen = false;
  expect(await find(frame('one', 9), 'one', 9)).toBeUndefined();
});
