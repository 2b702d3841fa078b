import { fileURLToPath } from 'node:url';
import { GuardedProcess } from '@pando/core/testing';
import { bundleEntry } from '../../infra/bundle-entry.js';

/** A call that an instance has let pass. */
export interface Passed {
  readonly policy: string;
  readonly source: string;
  readonly askedAt: number;
  readonly answeredAt: number;
}

/** What an instance counts in, and what. */
export interface Counted {
  readonly redis: string | { readonly nodes: readonly { readonly host: string; readonly port: number }[] };
  readonly name: string;
  readonly policies: object;
}

/** Starts an instance that asks as often as it can, until there is a file called `stop` in the folder. */
export async function startInstance(
  folder: string,
  instance: string,
  { redis, name, policies }: Counted,
): Promise<GuardedProcess> {
  const entry = await bundleEntry(fileURLToPath(new URL('../../fixtures/limits-app.ts', import.meta.url)));
  return GuardedProcess.start(process.execPath, [entry], {
    outputFile: `${folder}/${instance}.log`,
    env: {
      ...process.env,
      REDIS: JSON.stringify(redis),
      NAME: name,
      POLICIES: JSON.stringify(policies),
      STOP_FILE: `${folder}/stop`,
    },
  });
}

/** What an instance has let pass. */
export const passedOf = (instance: GuardedProcess): readonly Passed[] =>
  instance
    .output()
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Passed);

/** The most calls that are sure to have passed within so long: asked and answered in it. */
export function mostWithin(passed: readonly Passed[], lengthMs: number): number {
  return Math.max(
    ...passed.map(
      ({ askedAt: from }) =>
        passed.filter(({ askedAt, answeredAt }) => askedAt >= from && answeredAt < from + lengthMs).length,
    ),
  );
}

/** The most calls that fixed windows let pass: each begins with a call, so at most one more begins than fit in between. */
export function mostOfFixed(passed: readonly Passed[], limit: number, windowMs: number): number {
  const from = Math.min(...passed.map(({ askedAt }) => askedAt));
  const to = Math.max(...passed.map(({ answeredAt }) => answeredAt));
  return limit * (Math.floor((to - from) / windowMs) + 1);
}
