import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import manifest from '../../packages/core/package.json' with { type: 'json' };
import { installPacked, type PackedApp } from './packed.js';
import { run } from './workspace.js';

const { './package.json': _, ...modules } = manifest.exports;
const subpathsThat = (have: (target: object) => boolean): string[] =>
  Object.entries(modules)
    .filter(([, target]) => have(target))
    .map(([subpath]) => subpath.replace('.', '@pando/core'));
const subpaths = subpathsThat(() => true);
/** All but the suites: vitest, in which they are written, is published as ES modules only. */
const commonJs = subpathsThat((target) => 'require' in target);
const adapters = ['@pando/express-adapter', '@pando/fastify-adapter'];
const everything = JSON.stringify([...subpaths, ...adapters]);

let app: PackedApp;
beforeAll(async () => {
  app = await installPacked();
  return () => app[Symbol.asyncDispose]();
});

/** Runs a program as plain node would in a user's app and returns the JSON it printed. */
async function runInApp(name: string, source: string, ...flags: string[]): Promise<unknown> {
  await writeFile(join(app.path, name), source);
  return JSON.parse(await run(process.execPath, [...flags, name], app.path));
}

const reportTwoCopies = `
  const twice = specifiers.flatMap((specifier, i) =>
    Object.keys(imported[i])
      .filter((name) => imported[i][name] !== required[i][name])
      .map((name) => specifier + ' ' + name));
  console.log(JSON.stringify({ names: imported.reduce((sum, module) => sum + Object.keys(module).length, 0), twice }));
`;

describe('one copy in a process, whatever asks for it', () => {
  it('an ES module app and the CommonJS packages that it uses get the same classes', async () => {
    const { names, twice } = (await runInApp(
      'app.mjs',
      `import { createRequire } from 'node:module';
      const specifiers = ${everything};
      const require = createRequire(import.meta.url);
      const imported = await Promise.all(specifiers.map((specifier) => import(specifier)));
      const required = specifiers.map((specifier) => require(specifier));
      ${reportTwoCopies}`,
    )) as { names: number; twice: string[] };
    expect(twice).toEqual([]);
    expect(names).toBeGreaterThan(subpaths.length);
  });

  it('a CommonJS app and the ES modules that it imports get the same classes', async () => {
    const { names, twice } = (await runInApp(
      'app.cjs',
      `const specifiers = ${everything};
      const required = specifiers.map((specifier) => require(specifier));
      Promise.all(specifiers.map((specifier) => import(specifier))).then((imported) => { ${reportTwoCopies} });`,
    )) as { names: number; twice: string[] };
    expect(twice).toEqual([]);
    expect(names).toBeGreaterThan(subpaths.length);
  });
});

const throwFromEachSubpath = `
  const refuse = (create) => { try { create({ colour: 'green' }); } catch (error) { return error; } };
  const errors = {
    cache: refuse(load('@pando/core/cache').createCache),
    limits: refuse(load('@pando/core/limits').createLimits),
    realtime: refuse(load('@pando/core/realtime').createRealtime),
  };
  const { PandoOptionsError } = load('@pando/core');
  console.log(JSON.stringify(Object.entries(errors).map(([room, error]) => [room, error instanceof PandoOptionsError])));
`;
const allOfOneClass = [
  ['cache', true],
  ['limits', true],
  ['realtime', true],
];

it('only the suites have no CommonJS form', () => {
  expect(subpaths.filter((subpath) => !commonJs.includes(subpath))).toEqual(['@pando/core/testing/suites']);
});

describe('the subpaths share one copy of what they have in common', () => {
  it('as ES modules', async () => {
    const source = `
      const modules = new Map(await Promise.all(${everything}.map(async (name) => [name, await import(name)])));
      const load = (name) => modules.get(name);
      ${throwFromEachSubpath}`;
    expect(await runInApp('subpaths.mjs', source)).toEqual(allOfOneClass);
  });

  it('as CommonJS, where require cannot load ES modules', async () => {
    const all = JSON.stringify([...commonJs, ...adapters]);
    const source = `${all}.forEach((name) => require(name)); const load = require; ${throwFromEachSubpath}`;
    expect(await runInApp('subpaths.cjs', source, '--no-experimental-require-module')).toEqual(allOfOneClass);
  });
});
