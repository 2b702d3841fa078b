import { expect, it } from 'vitest';
import { Revision } from '../kernel/revision.js';
import { createFakeClock } from '../testing/fake-clock.js';
import { Backlog } from './backlog.js';
import type { InvalidationRequest } from './ports.js';

it('settles nothing that was added while a flush was on its way, and carries it out with the next', async () => {
  const clock = createFakeClock();
  const carriedOut: { readonly tags: readonly string[]; readonly settles: readonly string[] }[] = [];
  const backlog = new Backlog({
    clock,
    revision: new Revision(),
    maxTags: 10,
    isUp: () => true,
    renew: () => Promise.resolve(),
    async invalidate({ tags, settles }: InvalidationRequest) {
      await new Promise<void>((resolve) => clock.after(10, resolve));
      carriedOut.push({ tags: [...tags], settles: [...settles] });
      return { epoch: 'e', sequence: carriedOut.length, floor: 0 };
    },
  });
  backlog.add({ tags: ['a'], written: [], settles: ['first'] });
  const flushing = backlog.flush();
  backlog.add({ tags: ['b'], written: [], settles: ['second'] });
  await clock.advance(10);
  await flushing;
  expect(carriedOut).toEqual([{ tags: ['a'], settles: ['first'] }]);
  expect(backlog.holds(['b'])).toBe(true);

  await clock.advance(1_000);
  expect(carriedOut[1]).toEqual({ tags: ['b'], settles: ['second'] });
  expect(backlog.isEmpty).toBe(true);
});
