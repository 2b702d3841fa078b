import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createTemporaryFolder, GuardedProcess, waitFor } from '@pando/core/testing';
import { expect, it } from 'vitest';
import { bundleEntry } from '../../infra/bundle-entry.js';
import { testRedis } from '../../infra/context.js';

interface Passed {
  readonly policy: string;
  readonly askedAt: number;
  readonly answeredAt: number;
}

const limit = 30;
const windowMs = 400;
const policies = Object.fromEntries(
  ['sliding', 'strict', 'fixed'].map((algorithm) => [
    algorithm,
    { windows: { limit, windowMs }, algorithm, onUnavailable: 'closed' },
  ]),
);

/** The most calls that are sure to have passed within so long: asked and answered in it. */
function mostWithin(passed: readonly Passed[], lengthMs: number): number {
  return Math.max(
    ...passed.map(
      ({ askedAt: from }) =>
        passed.filter(({ askedAt, answeredAt }) => askedAt >= from && answeredAt < from + lengthMs).length,
    ),
  );
}

it('two processes that ask as often as they can never pass the limit together, over the edges of windows', async () => {
  const { url, name } = testRedis();
  await using folder = await createTemporaryFolder('pando-limits-');
  const stopFile = `${folder.path}/stop`;
  const entry = await bundleEntry(fileURLToPath(new URL('../../fixtures/limits-app.ts', import.meta.url)));
  const processes = await Promise.all(
    ['a', 'b'].map((instance) =>
      GuardedProcess.start(process.execPath, [entry], {
        outputFile: `${folder.path}/${instance}.log`,
        env: {
          ...process.env,
          REDIS_URL: url,
          NAME: name,
          POLICIES: JSON.stringify(policies),
          STOP_FILE: stopFile,
        },
      }),
    ),
  );
  const linesOf = (each: GuardedProcess) =>
    each
      .output()
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Passed);
  // Both take part in each policy, over several windows.
  await waitFor(
    () =>
      processes.every((each) =>
        Object.keys(policies).every((policy) => linesOf(each).some((p) => p.policy === policy)),
      ) && processes.flatMap(linesOf).length >= 3 * 6 * limit,
    { timeoutMs: 60_000 },
  );
  writeFileSync(stopFile, '');
  for (const each of processes)
    expect(await each.exited, each.output({ lines: 3 })).toEqual({ code: 0, signal: null });

  const all = processes.flatMap(linesOf);
  const of = (policy: string) => all.filter((each) => each.policy === policy);
  expect(mostWithin(of('strict'), windowMs)).toBeLessThanOrEqual(limit);
  expect(mostWithin(of('sliding'), windowMs / 10)).toBeLessThanOrEqual(1.1 * limit);
  // A fixed window begins with a call that passes: at most one more begins than fit between the first and the last.
  const fixed = of('fixed');
  const spanMs =
    Math.max(...fixed.map(({ answeredAt }) => answeredAt)) - Math.min(...fixed.map(({ askedAt }) => askedAt));
  expect(fixed.length).toBeLessThanOrEqual(limit * (Math.floor(spanMs / windowMs) + 1));
}, 120_000);
