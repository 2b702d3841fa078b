import { readFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { attempt, root, run, temporaryFolder } from './workspace.js';

interface LockedPackage {
  readonly resolved?: string;
  readonly link?: boolean;
}

const text = readFileSync(join(root, 'package-lock.json'), 'utf8');
const packages = Object.entries((JSON.parse(text) as { packages: Record<string, LockedPackage> }).packages);
const manifests = packages
  .map(([location]) => location)
  .filter((location) => !location.includes('node_modules/'));

it('names no registry, so that every machine writes the same lock', () => {
  const resolved = packages.filter(([, { resolved, link }]) => resolved !== undefined && link !== true);
  expect(resolved).toEqual([]);
  expect(text).not.toMatch(/"resolved": "[a-z+]+:|registry\./);
});

it('is complete: npm ci takes it as it is, on any platform, without asking anyone', async () => {
  await using folder = await temporaryFolder();
  for (const file of ['package-lock.json', '.npmrc', ...manifests.map((at) => join(at, 'package.json'))]) {
    await mkdir(dirname(join(folder.path, file)), { recursive: true });
    await cp(join(root, file), join(folder.path, file));
  }
  const cache = join(folder.path, 'empty-cache');
  const { code, stderr } = await attempt(
    'npm',
    ['ci', '--dry-run', '--offline', '--cache', cache],
    folder.path,
  );
  expect(stderr).not.toContain('npm error');
  expect(code).toBe(0);
});

it('has an entry for the binaries of every platform', async () => {
  await using folder = await temporaryFolder();
  await cp(join(root, 'scripts/complete-lock.mjs'), join(folder.path, 'scripts/complete-lock.mjs'));
  await cp(join(root, 'package-lock.json'), join(folder.path, 'package-lock.json'));
  const said = await run(process.execPath, ['scripts/complete-lock.mjs'], folder.path);
  expect(said).toBe('package-lock.json is complete.\n');
});
