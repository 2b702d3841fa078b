import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vitest/config';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Lua scripts are imported as their text, as in the build. */
const luaAsText: Plugin = {
  name: 'lua-as-text',
  enforce: 'pre',
  load(id) {
    return id.endsWith('.lua') ? `export default ${JSON.stringify(readFileSync(id, 'utf8'))};` : undefined;
  },
};

/** Every project sees the packages' sources: a built package beside them would be a second copy. */
const shared = {
  plugins: [luaAsText],
  resolve: {
    alias: [
      { find: /^@pando\/core$/, replacement: at('packages/core/src/index.ts') },
      { find: /^@pando\/core\/([a-z/]+)$/, replacement: at('packages/core/src/$1/index.ts') },
      { find: /^@pando\/(express|fastify)-adapter$/, replacement: at('packages/$1-adapter/src/index.ts') },
    ],
  },
};

const globalSetup = 'test/infra/global-setup.ts';
const workerSetup = 'test/infra/worker-setup.ts';
const conformance = 'packages/*/test/conformance.test.ts';
const full = process.env.PANDO_TEST_SIZE === 'full';

export default defineConfig({
  ...shared, // for globalSetup, which belongs to no project
  test: {
    // At the root, so that it runs once for all projects.
    globalSetup: existsSync(at(globalSetup)) ? [globalSetup] : [],
    // Tests of real servers mostly wait: two cores run two files at once.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    coverage: {
      provider: 'v8',
      include: ['packages/*/src/**/*.ts'],
      exclude: ['**/*.test.ts', '**/*.test-d.ts', '**/*.d.ts'],
      reporter: ['text-summary', 'html', 'json-summary'],
    },
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'packages/*/test/**/*.test.ts',
            'examples/*/src/**/*.test.ts',
            'bench/harness/*.test.mjs',
          ],
          exclude: ['**/node_modules/**', '**/dist/**', conformance],
          // Ends what hangs. Histories drawn at random take seconds on a busy machine, and promise nobody to take less.
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        ...shared,
        test: {
          name: 'servers',
          include: [
            'test/integration/**/*.test.ts',
            'test/scenarios/**/*.test.ts',
            'examples/*/test/**/*.test.ts',
            conformance,
          ],
          setupFiles: [workerSetup],
          testTimeout: full ? 300_000 : 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        ...shared,
        test: {
          name: 'packaging',
          include: ['test/packaging/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // Kills, freezes, promotes and measures memory: one file at a time, with nothing beside it.
        ...shared,
        test: {
          name: 'exclusive',
          include: ['test/exclusive/**/*.test.ts'],
          fileParallelism: false,
          setupFiles: [workerSetup],
          testTimeout: full ? 600_000 : 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
