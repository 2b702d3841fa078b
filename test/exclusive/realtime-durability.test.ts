import { expect, it, onTestFinished } from 'vitest';
import { createKernel } from '../../packages/core/src/kernel/kernel.js';
import { createRealtime } from '../../packages/core/src/realtime/index.js';
import { waitFor } from '../../packages/core/src/testing/index.js';
import { startSentinel } from '../infra/redis.js';

it('a replica that takes over has what was acknowledged on durable channels, and nobody is told that it may not', async () => {
  // Patient, or the sentinels, which must find their way to the new primary first, take it for dead, and fail over once more.
  await using group = await startSentinel({ downAfterMs: 2_000 });
  const failovers: string[] = [];
  const witness = group.sentinels[0]?.connect();
  onTestFinished(() => witness?.disconnect());
  witness?.on('message', (_channel, message: string) => void failovers.push(message));
  await witness?.subscribe('+switch-master');
  const instance = async () => {
    const room = createRealtime(
      {
        redis: { sentinels: group.nodes, name: group.name },
        channels: { 'order:*': { durability: { replicas: 1, timeoutMs: 1_000 } } },
        onUnavailable: 'wait',
        publishWaitMs: 120_000,
        sweepMs: 1_000,
      },
      { kernel: createKernel({ name: 'durable' }) },
    );
    await room.start();
    return room;
  };
  await using publisher = await instance();
  await using follower = await instance();
  const heard: (number | 'history-lost')[] = [];
  const other: string[] = [];
  await follower.subscribe('order:1', ({ data }) => void heard.push(data as number), {
    onReset: ({ reason }) => void heard.push(reason as 'history-lost'),
  });
  await follower.subscribe('other', () => undefined, { onReset: ({ reason }) => void other.push(reason) });

  let published = 0;
  let isHealed = false;
  const publishing = (async () => {
    for (let after = 0; after < 50; after += Number(isHealed)) {
      await publisher.publish('order:1', published + 1);
      published++;
    }
  })();
  await waitFor(() => heard.length > 50, { message: 'a channel in use' });
  await group.primary.kill();
  // The old master begins as one, until it is made a replica: who asked a sentinel that had not heard would meet it.
  await waitFor(() => group.hasFailedOver(), { timeoutMs: 30_000 });
  await group.primary.restart(); // and is made the replica that the new primary needs
  const before = published;
  await waitFor(() => published > before + 1, { timeoutMs: 90_000, message: 'publishes to go on' });
  isHealed = true;
  await publishing;
  await waitFor(() => heard.at(-1) === published && other.length > 0, {
    timeoutMs: 20_000,
    message: 'the last message',
  });

  expect(new Set(other)).toEqual(new Set(['failover']));
  await waitFor(() => failovers.length >= other.length, {
    message: () => `no more than one reset for each of ${failovers}; there are ${other.length}`,
  });
  const numbers = heard.filter((each) => each !== 'history-lost');
  expect([...new Set(numbers)]).toEqual(Array.from({ length: published }, (_, n) => n + 1));
  for (const [index, each] of heard.entries()) {
    if (typeof each === 'number') {
      const last = heard[index - 1] ?? 0;
      if (last !== 'history-lost') expect(each).toBe(last + 1);
    } else {
      expect(each).toBe('history-lost'); // it had heard what nobody had acknowledged
    }
  }
});
