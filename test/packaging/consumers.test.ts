import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { installPacked, type PackedApp } from './packed.js';
import { attempt, root, run } from './workspace.js';

const sources = join(root, 'test/packaging/consumers');
const tsc = join(root, 'node_modules/typescript/bin/tsc');

/** As strict as a compiler can be, with the declarations of packages, too. */
const strict = {
  target: 'ES2022',
  lib: ['ES2022', 'ESNext.Disposable'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  esModuleInterop: true,
  skipLibCheck: false,
};

/** Which source each module of an app is made of: `.mts` becomes an ES module, `.cts` CommonJS. */
const modules = {
  'app-esm.mts': 'app.ts',
  'app-cjs.cts': 'app.ts',
  'host.mts': 'host.mts',
  'plugin.cts': 'plugin.cts',
  'redis-clients-esm.mts': 'redis-clients.ts',
  'redis-clients-cjs.cts': 'redis-clients.ts',
};
const bundled = { 'app.ts': 'app.ts', 'redis-clients.ts': 'redis-clients.ts' };

let app: PackedApp;
/** What the compiler says. */
let complaints: { readonly node: string; readonly bundler: string };
beforeAll(async () => {
  app = await installPacked();
  const [node, bundler] = await Promise.all([
    compile('node', modules, { module: 'NodeNext' }),
    compile('bundler', bundled, { module: 'ESNext', moduleResolution: 'bundler', noEmit: true }),
  ]);
  complaints = { node, bundler };
  return () => app[Symbol.asyncDispose]();
}, 240_000);

/** Compiles these sources in a folder of the app, each under the name it gets there; returns what the compiler says. */
async function compile(
  folder: string,
  files: Readonly<Record<string, string>>,
  options: object,
): Promise<string> {
  const path = join(app.path, folder);
  await mkdir(path);
  for (const [name, source] of Object.entries(files)) await cp(join(sources, source), join(path, name));
  const compilerOptions = { ...strict, ...options };
  await writeFile(
    join(path, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: Object.keys(files) }),
  );
  const { stdout, stderr } = await attempt(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], path);
  return stdout + stderr;
}

/** Runs a program to its own end and returns the JSON it printed. */
async function runInApp(name: string, ...flags: string[]): Promise<unknown> {
  return JSON.parse(await run(process.execPath, [...flags, name], join(app.path, 'node')));
}

/** What a visitor sees of either framework. */
const visit = {
  bodies: [{ loads: 1 }, { loads: 1 }],
  limited: [204, 204, 429],
  stream: 'text/event-stream; charset=utf-8',
  hasFirstByte: true,
  refused: 'refused',
};

describe('an app in TypeScript compiles, declarations of packages included', () => {
  it('as ES modules and as CommonJS for Node', () => {
    expect(complaints.node).toBe('');
  });

  it('for a bundler', () => {
    expect(complaints.bundler).toBe('');
  });
});

describe('an app serves on both frameworks, closes, and is gone', () => {
  it.each([
    ['as an ES module', 'app-esm.mjs', []],
    ['as CommonJS', 'app-cjs.cjs', []],
    ['as CommonJS that cannot load ES modules', 'app-cjs.cjs', ['--no-experimental-require-module']],
  ])('%s', async (_, name, flags) => {
    expect(await runInApp(name, ...flags)).toEqual({ express: visit, fastify: visit });
  });
});

it('an ES module app and the CommonJS package that brings its middleware share one core', async () => {
  expect(await runInApp('host.mjs')).toEqual({
    statuses: [204, 429],
    isSameContext: true,
    isSameError: true,
  });
});
