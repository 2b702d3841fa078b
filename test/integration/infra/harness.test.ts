import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { ensureServers, locateServers } from '../../../scripts/provision.mjs';

test('the public harness needs no test runner: an app may start its development database with it', async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('../../../packages/core/src/testing/index.ts', import.meta.url))],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    loader: { '.lua': 'text' },
    metafile: true,
    write: false,
    outfile: 'testing.mjs',
  });
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  expect(imported).toContain('pg');
  expect(imported).not.toContain('vitest');
});

test('all servers are on this machine once they have been ensured, and then nothing is installed', async () => {
  const log: string[] = [];
  expect(await ensureServers({ log: (line) => log.push(line) })).toEqual(locateServers());
  expect(log).toEqual([]);
});
