import { expect, it } from 'vitest';
import type { RedisCommand } from '../../redis/ports.js';
import { Pipe } from './pipe.js';

const setup = (reply: (command: RedisCommand) => unknown = ([, key]) => `reply to ${key}`) => {
  const writes: number[] = [];
  const pipe = new Pipe({
    call: async (command) => {
      writes.push(1);
      return reply(command);
    },
    batch: async (commands) => {
      writes.push(commands.length);
      return commands.map(reply);
    },
  });
  return { pipe, writes };
};

it('sends what one turn asks for in one write, and gives each asker its own reply', async () => {
  const { pipe, writes } = setup();
  expect(await Promise.all(['a', 'b', 'c'].map((key) => pipe.send(['GET', key])))).toEqual([
    'reply to a',
    'reply to b',
    'reply to c',
  ]);
  expect(await pipe.send(['GET', 'd'])).toBe('reply to d');
  expect(writes).toEqual([3, 1]);
});

it('sends no more than 500 commands at once', async () => {
  const { pipe, writes } = setup();
  const keys = Array.from({ length: 1_200 }, (_, index) => `${index}`);
  const replies = await Promise.all(keys.map((key) => pipe.send(['GET', key])));
  expect(replies).toEqual(keys.map((key) => `reply to ${key}`));
  expect(writes).toEqual([500, 500, 200]);
});

it('sends at once what must not be overtaken', async () => {
  const { pipe, writes } = setup();
  const replies = Promise.all([pipe.send(['GET', 'a']), pipe.send(['GET', 'b'])]);
  pipe.flush();
  pipe.flush();
  expect(writes).toEqual([2]);
  expect(await replies).toEqual(['reply to a', 'reply to b']);
});

it('rejects what was sent together with a command that fails, and nothing after it', async () => {
  const { pipe } = setup(([, key]) => {
    if (key === 'b') throw new Error('refused');
    return key;
  });
  const outcomes = await Promise.allSettled(['a', 'b'].map((key) => pipe.send(['GET', key])));
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await pipe.send(['GET', 'c'])).toBe('c');
});
