import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attempt, root, temporaryFolder } from './workspace.js';

interface Diagnostic {
  readonly category: string;
  readonly location: { readonly path: string; readonly start: { readonly line: number } };
}

/** Lints these files, each at its place in a tree of its own, with the project's configuration. */
async function lint(files: Readonly<Record<string, string>>, rule: string): Promise<Diagnostic[]> {
  await using folder = await temporaryFolder();
  await cp(join(root, 'biome.json'), join(folder.path, 'biome.json'));
  for (const [path, source] of Object.entries(files)) {
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    await writeFile(join(folder.path, path), source);
  }
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const args = [
    'lint',
    '--vcs-enabled=false',
    `--only=${rule}`,
    '--reporter=json',
    '--max-diagnostics=none',
    '.',
  ];
  const { stdout, stderr } = await attempt(process.execPath, [biome, ...args], folder.path);
  if (stdout === '') throw new Error(stderr);
  return (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics;
}

const core = 'packages/core/src';
const libraries = [
  'ioredis',
  'pg',
  'generic-pool',
  'prom-client',
  'rate-limiter-flexible',
  'ws',
  'lru-cache',
];
const frameworks = ['express', 'fastify'];
const without = (...allowed: string[]): string[] => libraries.filter((library) => !allowed.includes(library));

/** Who may import whom: for a file of each folder, what it must not import and what it may. */
const rules: Readonly<Record<string, { readonly refused: string[]; readonly allowed: string[] }>> = {
  [`${core}/kernel/clock.ts`]: {
    refused: [
      '../cache/index.js',
      '../redis/scripts.js',
      '../http/exchange.js',
      '../pando.js',
      '@pando/core',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['./errors.js', 'node:async_hooks'],
  },
  [`${core}/redis/scripts.ts`]: {
    refused: [
      '../cache/index.js',
      '../http/exchange.js',
      '../pando.js',
      '@pando/core',
      ...without('ioredis'),
      ...frameworks,
    ],
    allowed: ['../kernel/keys.js', './lua/append-3.lua', 'ioredis'],
  },
  [`${core}/cache/cache.ts`]: {
    refused: [
      '../db/index.js',
      '../realtime/ports.js',
      '../http/exchange.js',
      '../redis/scripts.js',
      '../testing/index.js',
      '../pando.js',
      '../effects.js',
      '../index.js',
      './drivers/memory.js',
      './drivers/redis.js',
      '@pando/core',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['./ports.js', './options.js', './metrics.js', '../kernel/metrics.js', 'node:crypto'],
  },
  [`${core}/cache/index.ts`]: {
    refused: ['./drivers/memory.js', '../db/index.js'],
    allowed: ['./cache.js', './create.js'],
  },
  [`${core}/cache/options.ts`]: {
    refused: ['./drivers/redis.js', '../db/options.js', '../options.js', ...libraries],
    allowed: ['../redis/ports.js', '../kernel/options.js'],
  },
  [`${core}/cache/create.ts`]: {
    refused: ['../db/index.js', '../http/exchange.js', '../pando.js', ...libraries, ...frameworks],
    allowed: ['./drivers/memory.js', './drivers/redis.js', '../redis/scripts.js'],
  },
  [`${core}/cache/drivers/redis.ts`]: {
    refused: [
      '../../db/ports.js',
      '../../http/exchange.js',
      '../../pando.js',
      '../../options.js',
      '@pando/core',
      ...frameworks,
    ],
    allowed: ['../ports.js', '../options.js', '../../kernel/keys.js', '../../redis/scripts.js', ...libraries],
  },
  [`${core}/http/exchange.ts`]: {
    refused: [
      '../cache/cache.js',
      '../cache/drivers/memory.js',
      '../redis/scripts.js',
      '../testing/index.js',
      '../pando.js',
      '@pando/core',
      ...without('ws'),
      ...frameworks,
    ],
    allowed: ['../cache/index.js', '../realtime/index.js', '../kernel/context.js', 'node:http', 'ws'],
  },
  [`${core}/client/client.ts`]: {
    refused: [
      '../realtime/index.js',
      '../redis/scripts.js',
      '../http/exchange.js',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['../kernel/token.js', './backoff.js'],
  },
  [`${core}/testing/drivers.ts`]: {
    refused: ['@pando/core', ...frameworks],
    allowed: ['../cache/drivers/memory.js', '../kernel/clock.js', '../pando.js'],
  },
  [`${core}/pando.ts`]: {
    refused: ['./testing/index.js', '@pando/core/cache', ...libraries, ...frameworks],
    allowed: ['./cache/index.js', './redis/scripts.js', './http/exchange.js', './effects.js'],
  },
  'packages/express-adapter/src/express.ts': {
    refused: [
      '@pando/core/cache',
      '@pando/core/dist/index.js',
      '../../core/src/index.js',
      'fastify',
      'fastify-plugin',
      ...libraries,
    ],
    allowed: ['@pando/core', '@pando/core/http', 'express', 'node:http'],
  },
  'packages/fastify-adapter/src/fastify.ts': {
    refused: [
      '@pando/core/realtime',
      '@pando/core/dist/index.js',
      '../../core/src/index.js',
      'express',
      ...libraries,
    ],
    allowed: ['@pando/core', '@pando/core/http', 'fastify', 'fastify-plugin'],
  },
  'examples/blog-api/src/server.ts': {
    refused: ['../../../packages/core/src/index.js'],
    allowed: ['@pando/core', '@pando/core/cache', '@pando/express-adapter', 'express', 'pg'],
  },
};

const forms = {
  values: (specifier: string) => `import { a } from '${specifier}';`,
  types: (specifier: string) => `import type { A } from '${specifier}';`,
  're-exports': (specifier: string) => `export { a } from '${specifier}';`,
  'dynamic imports': (specifier: string) => `await import('${specifier}');`,
};

describe.each(Object.entries(forms))('as %s', (_form, write) => {
  let diagnostics: readonly Diagnostic[];
  beforeAll(async () => {
    const files = Object.entries(rules).map(([path, { refused, allowed }]) => [
      path,
      `${[...refused, ...allowed].map(write).join('\n')}\n`,
    ]);
    diagnostics = await lint(Object.fromEntries(files), 'noRestrictedImports');
  });

  it.each(Object.entries(rules))(
    '%s imports what its folder may, and nothing else',
    (path, { refused, allowed }) => {
      const specifiers = [...refused, ...allowed];
      const found = diagnostics
        .filter(({ location }) => location.path === path)
        .map(({ location }) => specifiers[location.start.line - 1]);
      expect(new Set(found)).toEqual(new Set(refused));
    },
  );
});

const habits: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  noImportCycles: {
    [`${core}/kernel/one.ts`]: "import { two } from './two.js';\nexport const one = () => two;\n",
    [`${core}/kernel/two.ts`]: "import { one } from './one.js';\nexport const two = () => one;\n",
  },
  noDefaultExport: { [`${core}/kernel/one.ts`]: 'export default 1;\n' },
  noCommonJs: { [`${core}/kernel/one.ts`]: "export const fs = require('node:fs');\n" },
  noExplicitAny: { [`${core}/kernel/one.ts`]: 'export const one: any = 1;\n' },
  useNodejsImportProtocol: {
    [`${core}/kernel/one.ts`]: "import { join } from 'path';\nexport const one = join;\n",
  },
  useFilenamingConvention: { [`${core}/kernel/oneTwo.ts`]: 'export const one = 1;\n' },
  noSkippedTests: {
    [`${core}/kernel/one.test.ts`]: "import { it } from 'vitest';\nit.skip('one', () => {});\n",
  },
  noFocusedTests: {
    [`${core}/kernel/one.test.ts`]: "import { it } from 'vitest';\nit.only('one', () => {});\n",
  },
};

it.each(Object.entries(habits))('%s is an error everywhere', async (rule, files) => {
  const found = await lint(files, rule);
  expect(new Set(found.map(({ location }) => location.path))).toEqual(new Set(Object.keys(files)));
  expect(found.every(({ category }) => category.endsWith(`/${rule}`))).toBe(true);
});
