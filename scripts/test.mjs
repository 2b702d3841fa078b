/**
 * npm test: lint, types, unused code, build, then every test, against real servers that the tests start themselves.
 *
 *   npm test                       everything
 *   npm test -- <vitest args>      only those tests, without the checks before: npm test -- packages/core/src/cache
 *   npm run test:long              everything, with the long sizes and durations
 *
 * The last line is `N passed, N failed`. Succeeds only when something passed and nothing at all failed.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled } from './bootstrap.mjs';
import { ensureServers } from './provision.mjs';
import { Interrupted, main, root, run, runToExit } from './run.mjs';

const args = process.argv.slice(2).filter((arg) => arg !== '--full');
const env = process.argv.includes('--full') ? { ...process.env, PANDO_TEST_SIZE: 'full' } : process.env;
const isPartial = args.length > 0;

let passed = 0;
let failed = 0;

/** A step that is no test but must succeed too: its failure is one failure, and the rest still runs. */
async function step(name, body) {
  const startedAt = performance.now();
  try {
    await body();
    console.log(`${name}: ok (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    failed += 1;
    console.error(`${name}: FAILED. ${error.message}`);
  }
}

const tool = (path) => join(root, 'node_modules', path);
const node = (...command) => run(process.execPath, command, { env });

async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), 'pando-test-'));
  const report = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await runToExit(
      process.execPath,
      [tool('vitest/vitest.mjs'), 'run', ...reporters, ...args],
      { env },
    );
    const before = failed;
    if (existsSync(report)) count(JSON.parse(readFileSync(report, 'utf8')));
    // An unhandled error, or a run that ended early, fails no test of its own.
    if (code !== 0 && failed === before) failed += 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function count({ numPassedTests, numFailedTests, testResults }) {
  const broken = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((result) => result.status === 'failed'),
  );
  passed += numPassedTests;
  failed += numFailedTests + broken.length;
}

await main(async () => {
  await step('install', () => ensureInstalled());
  if (failed === 0) {
    if (!isPartial) {
      await step('lint', () => node(tool('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'));
      await step('types', () => node(tool('typescript/bin/tsc'), '--noEmit'));
      await step('unused code', () => node(tool('knip/bin/knip.js'), '--no-progress'));
    }
    await step('build', () => ensureBuilt({ types: !isPartial }));
    await step('servers', () => ensureServers());
    await runTests();
  }
  console.log(`${passed} passed, ${failed} failed`);
  return passed > 0 && failed === 0 ? 0 : 1;
});
