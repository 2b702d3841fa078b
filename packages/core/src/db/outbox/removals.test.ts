import { expect, it } from 'vitest';
import { noopLogger } from '../../kernel/logger.js';
import { createFakeClock } from '../../testing/fake-clock.js';
import type { OutboxTable, Pool } from '../ports.js';
import { Removals } from './removals.js';

it('does not hold up who closes the database while the primary is away', async () => {
  const clock = createFakeClock();
  const away = { acquire: () => new Promise(() => undefined) } as unknown as Pool;
  const removals = new Removals({
    ...{ clock, pool: away, table: {} as OutboxTable, logger: noopLogger },
    removed: () => undefined,
  });
  removals.add('a row');
  await clock.advance(50);
  removals.add('another');
  const late = new AbortController();
  const closed = removals.close({ signal: late.signal });
  late.abort();
  await closed;
  await clock.advance(10_000);
  expect(clock.pending).toBe(0);
});
