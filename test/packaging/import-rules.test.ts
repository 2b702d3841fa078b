import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attempt, rooms, root, temporaryFolder } from './workspace.js';

interface Diagnostic {
  readonly category: string;
  readonly message: string;
  readonly location: { readonly path: string; readonly start: { readonly line: number } };
}

interface Ban {
  readonly group: readonly string[];
  readonly message: string;
}

interface Configuration {
  readonly overrides: readonly {
    readonly includes: readonly string[];
    readonly linter: {
      readonly rules: {
        style?: { noRestrictedImports?: { readonly options: { patterns: readonly Ban[] } } };
      };
    };
  }[];
}

const configuration = readFileSync(join(root, 'biome.json'), 'utf8');

/** Lints these files, each at its place in a tree of its own, with the project's configuration or another. */
async function lint(
  files: Readonly<Record<string, string>>,
  rule: string,
  config = configuration,
): Promise<Diagnostic[]> {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'biome.json'), config);
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
/** Each client library, and a file inside it where one can be had. */
const libraries = [
  ...['ioredis', 'ioredis/built/Redis.js'],
  ...['pg', 'pg/lib/client.js', 'pg-pool'],
  ...['generic-pool', 'prom-client', 'rate-limiter-flexible', 'ws'],
  ...['lru-cache', 'lru-cache/raw'],
];
const without = (...allowed: string[]): string[] =>
  libraries.filter((library) => !allowed.includes(library.split('/')[0] as string));
const express = ['express', 'express/lib/router.js'];
const fastify = ['fastify', 'fastify/types/request.js'];
const frameworks = [...express, ...fastify, 'fastify-plugin'];
/** A file of each room, seen from a folder beside them or below one. */
const roomsFrom = (up: string): string[] => rooms.map((room) => `${up}/${room}/ports.js`);
/** The composition root, and ways around to it. */
const rootFrom = (up: string): string[] => [
  ...['index', 'pando', 'options', 'effects'].map((file) => `${up}/${file}.js`),
  `${up}/../src/pando.js`,
  `${up}/../src/options.js`,
  `./${up}/effects.js`,
];

/** Who may import whom: for a file of each folder, what it must not import and what it may. */
const rules: Readonly<Record<string, { readonly refused: string[]; readonly allowed: string[] }>> = {
  [`${core}/kernel/clock.ts`]: {
    refused: [
      ...roomsFrom('..'),
      ...rootFrom('..'),
      '../redis/scripts.js',
      '../http/exchange.js',
      '@pando/core',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['./errors.js', 'node:async_hooks'],
  },
  [`${core}/redis/scripts.ts`]: {
    refused: [
      ...roomsFrom('..'),
      ...rootFrom('..'),
      '../http/exchange.js',
      '../testing/index.js',
      '../client/client.js',
      '@pando/core',
      ...without('ioredis'),
      ...frameworks,
    ],
    allowed: ['../kernel/keys.js', './lua/append-3.lua', 'ioredis'],
  },
  [`${core}/cache/cache.ts`]: {
    refused: [
      ...roomsFrom('..'),
      ...rootFrom('..'),
      '../http/exchange.js',
      '../redis/scripts.js',
      '../testing/index.js',
      '../client/client.js',
      './drivers/memory.js',
      './drivers/redis.js',
      '@pando/core',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['./ports.js', './options.js', './metrics.js', '../kernel/metrics.js', 'node:crypto'],
  },
  [`${core}/realtime/hub/hub.ts`]: {
    refused: [...roomsFrom('../..'), ...rootFrom('../..'), '../drivers/redis.js', '../../redis/floor.js'],
    allowed: ['../ports.js', './channel.js', '../../kernel/clock.js'],
  },
  [`${core}/cache/index.ts`]: {
    refused: ['./drivers/memory.js', '../db/index.js'],
    allowed: ['./cache.js', './create.js'],
  },
  [`${core}/cache/options.ts`]: {
    refused: [
      ...roomsFrom('..'),
      ...rootFrom('..'),
      '../http/exchange.js',
      '../testing/index.js',
      '../client/client.js',
      './drivers/redis.js',
      '@pando/core',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['../redis/ports.js', '../kernel/options.js'],
  },
  [`${core}/cache/create.ts`]: {
    refused: [
      ...roomsFrom('..'),
      ...rootFrom('..'),
      '../http/exchange.js',
      '../testing/index.js',
      '../client/client.js',
      '@pando/core',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['./drivers/memory.js', './drivers/redis.js', '../redis/scripts.js'],
  },
  [`${core}/cache/drivers/redis.ts`]: {
    refused: [
      ...roomsFrom('../..'),
      ...rootFrom('../..'),
      '../../http/exchange.js',
      '../../testing/index.js',
      '../../client/client.js',
      '@pando/core',
      ...frameworks,
    ],
    allowed: ['../ports.js', '../options.js', '../../kernel/keys.js', '../../redis/scripts.js', ...libraries],
  },
  [`${core}/http/exchange.ts`]: {
    refused: [
      ...roomsFrom('..'),
      ...rootFrom('..'),
      '../cache/drivers/memory.js',
      '../redis/scripts.js',
      '../testing/index.js',
      '../client/client.js',
      '@pando/core',
      ...without('ws'),
      ...frameworks,
    ],
    allowed: [...rooms.map((room) => `../${room}/index.js`), '../kernel/context.js', 'node:http', 'ws'],
  },
  [`${core}/http/handlers/sse.ts`]: {
    refused: [...roomsFrom('../..'), ...rootFrom('../..'), '../../redis/floor.js'],
    allowed: ['../exchange.js', '../../realtime/index.js'],
  },
  [`${core}/client/client.ts`]: {
    refused: [
      ...roomsFrom('..'),
      ...rootFrom('..'),
      '../redis/scripts.js',
      '../http/exchange.js',
      '../testing/index.js',
      '@pando/core',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['../kernel/token.js', './backoff.js'],
  },
  [`${core}/testing/drivers.ts`]: {
    refused: ['@pando/core', ...frameworks, '../../src/pando.js', './../pando.js'],
    allowed: ['../cache/drivers/memory.js', '../kernel/clock.js', '../pando.js'],
  },
  [`${core}/cli/doctor/doctor.ts`]: {
    refused: [
      '../../testing/index.js',
      '../../client/connect.js',
      '@pando/core',
      '../../../src/pando.js',
      './../doctor.js',
      ...frameworks,
    ],
    allowed: ['../../redis/options.js', '../../db/options.js', '../../http/index.js', 'ioredis', 'pg'],
  },
  [`${core}/pando.ts`]: {
    refused: [
      './testing/index.js',
      '@pando/core/cache',
      '../src/options.js',
      './../src/options.js',
      ...libraries,
      ...frameworks,
    ],
    allowed: ['./cache/index.js', './redis/scripts.js', './http/exchange.js', './effects.js'],
  },
  'packages/express-adapter/src/express.ts': {
    refused: [
      '@pando/core/cache',
      '@pando/core/dist/index.js',
      '@pando/fastify-adapter',
      '../../core/src/index.js',
      '../../core/dist/index.js',
      '../../fastify-adapter/index.js',
      ...fastify,
      'fastify-plugin',
      ...libraries,
    ],
    allowed: ['@pando/core', '@pando/core/http', './types.js', ...express, 'node:http'],
  },
  'packages/fastify-adapter/src/fastify.ts': {
    refused: [
      '@pando/core/realtime',
      '@pando/core/dist/index.js',
      '@pando/express-adapter',
      '../../core/src/index.js',
      '../../core/dist/index.js',
      '../../express-adapter/index.js',
      ...express,
      ...libraries,
    ],
    allowed: ['@pando/core', '@pando/core/http', './types.js', ...fastify, 'fastify-plugin'],
  },
  'examples/blog-api/src/server.ts': {
    refused: [
      '../../../packages/core/index.js',
      '../../../node_modules/@pando/core/src/index.js',
      '../../../node_modules/@pando/core/dist/index.js',
    ],
    allowed: ['@pando/core', '@pando/core/cache', '@pando/express-adapter', 'express', 'pg'],
  },
  'test/scenarios/blog.test.ts': {
    refused: ['../../packages/core/src/index.js'],
    allowed: ['@pando/core', '../infra/redis.js'],
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

it('every single ban of the configuration is broken by one of these files', async () => {
  const each = JSON.parse(configuration) as Configuration;
  const due: string[] = [];
  for (const { includes, linter } of each.overrides) {
    const options = linter.rules.style?.noRestrictedImports?.options;
    if (options === undefined) continue;
    // One ban for each pattern, which calls itself by its name; what a group excepts is excepted from each.
    options.patterns = options.patterns.flatMap(({ group }) => {
      const exceptions = group.filter((pattern) => pattern.startsWith('!'));
      const banned = group.filter((pattern) => !pattern.startsWith('!'));
      return banned.map((pattern) => ({
        group: [pattern, ...exceptions],
        message: `${pattern} in ${includes[0]}`,
      }));
    });
    due.push(...options.patterns.map(({ message }) => message));
  }
  const files = Object.entries(rules).map(([path, { refused }]) => [
    path,
    refused.map(forms.values).join('\n'),
  ]);
  const found = await lint(Object.fromEntries(files), 'noRestrictedImports', JSON.stringify(each));
  const broken = new Set(found.map(({ message }) => message));
  expect(due.length).toBeGreaterThan(100);
  expect(due.filter((ban) => !broken.has(ban))).toEqual([]);
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
