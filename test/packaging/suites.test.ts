import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { installPacked, type PackedApp } from './packed.js';
import { attempt } from './workspace.js';

let app: PackedApp;
beforeAll(async () => {
  app = await installPacked();
  return () => app[Symbol.asyncDispose]();
});

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Runs an author's test files, each by its name, with vitest in the app; tells how many cases of each ended how. */
async function runTests(files: Readonly<Record<string, string>>): Promise<Record<string, string[]>> {
  for (const [name, source] of Object.entries(files)) await writeFile(join(app.path, name), source);
  const vitest = join(app.path, 'node_modules/vitest/vitest.mjs');
  const report = join(app.path, 'report.json');
  const args = ['run', '--reporter=json', `--outputFile=${report}`, ...Object.keys(files)];
  const { stdout, stderr } = await attempt(process.execPath, [vitest, ...args], app.path);
  const { testResults } = await readFile(report, 'utf8').then(
    (text) => JSON.parse(text) as Report,
    () => expect.unreachable(`vitest wrote no report:\n${stdout}${stderr}`),
  );
  return Object.fromEntries(
    testResults.map(({ name, assertionResults }) => [
      basename(name),
      assertionResults.map(({ status }) => status),
    ]),
  );
}

it("passes a driver through a suite, and fails one that does not keep its port's promises", async () => {
  const author = `
    import { createMemoryRegistry } from '@pando/core/metrics';
    import { metricsRegistrySuite } from '@pando/core/testing/suites';`;
  const outcomes = await runTests({
    'kept.test.mjs': `${author}
      metricsRegistrySuite('a registry', createMemoryRegistry);`,
    'broken.test.mjs': `${author}
      metricsRegistrySuite('a registry', () =>
        Object.assign(createMemoryRegistry(), { removeSingleMetric: () => undefined }));`,
  });
  expect(outcomes['kept.test.mjs']?.length).toBeGreaterThan(3);
  expect(new Set(outcomes['kept.test.mjs'])).toEqual(new Set(['passed']));
  expect(outcomes['broken.test.mjs']).toContain('failed');
  expect(outcomes['broken.test.mjs']).toContain('passed');
});
