import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { checkNames } from '../../packages/core/src/cli/doctor/checks.js';
import { installPacked, type PackedApp } from './packed.js';
import { attempt, root, run } from './workspace.js';

let app: PackedApp;
/** The program as npm would link it. */
let program: string;
beforeAll(async () => {
  app = await installPacked();
  const folder = join(app.path, 'node_modules/@pando/core');
  const { bin } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  expect(Object.keys(bin)).toEqual(['pando']);
  program = join(folder, bin.pando);
  return () => app[Symbol.asyncDispose]();
}, 240_000);

it('pando is a program that runs as it is installed, and says how to call it', async () => {
  expect((await stat(program)).mode & 0o111).toBe(0o111);
  expect(await run(program, ['--help'], app.path)).toMatch(/^pando doctor \[options\]\n/);
});

it('pando doctor looks at the app that it is called in', async () => {
  const { code, stdout } = await attempt(program, ['doctor'], app.path);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Nothing to look at.') });
});

it('pando doctor ends with 2 for what it does not understand, and for what it cannot reach', async () => {
  const misspelt = await attempt(program, ['doctor', '--redsi', 'redis://localhost'], app.path);
  expect(misspelt).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--redis?') });
  const away = await attempt(program, ['doctor', '--json', '--redis', 'redis://127.0.0.1:1'], app.path);
  expect(away.code).toBe(2);
  expect(JSON.parse(away.stdout)).toMatchObject({
    verdict: 'unknown',
    findings: expect.arrayContaining([
      expect.objectContaining({ check: 'redis.connection', found: expect.stringContaining('ECONNREFUSED') }),
    ]),
  });
});

it('the guide lists every check, and no other', async () => {
  const guide = await readFile(join(root, 'docs/how-to/check-a-deployment.md'), 'utf8');
  const listed = [...guide.matchAll(/^\| ([a-z]+\.[a-z-]+) \|/gm)].map(([, name]) => name);
  expect(listed.sort()).toEqual([...checkNames].sort());
});
