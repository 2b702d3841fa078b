import { existsSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';
import manifest from './package.json' with { type: 'json' };

/** One entry for each subpath in `exports`: `./cache` is built from src/cache/index.ts to dist/cache/index.*. */
const entries = Object.keys(manifest.exports)
  .filter((subpath) => subpath !== './package.json')
  .map((subpath) => (subpath === '.' ? 'index' : `${subpath.slice(2)}/index`))
  .filter((name) => existsSync(`src/${name}.ts`));

/** Browsers load these as they are, so each is one file, whatever it shares with others. The first loads the second on demand. */
const client = 'client/index';
const tabs = 'client/tabs';

/** The command `pando`: a program, which nothing imports. */
const cli = 'cli/index';

const entryOf = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, `src/${name}.ts`]));

const common = {
  // The suites are published as ES modules only, since vitest is: `files` in package.json leaves their other form out.
  format: ['esm', 'cjs'],
  clean: false,
  sourcemap: true,
  target: 'node20',
  tsconfig: 'tsconfig.build.json',
  loader: { '.lua': 'text' },
} satisfies Options;

export default defineConfig([
  {
    ...common,
    entry: entryOf(entries.filter((name) => name !== client)),
    // Without splitting, every CommonJS subpath would carry its own copy of the shared classes.
    splitting: true,
    dts: { entry: entryOf(entries) },
  },
  {
    ...common,
    entry: entryOf([client]),
    splitting: false,
    platform: 'neutral',
    external: ['./tabs.js'],
  },
  { ...common, entry: entryOf([tabs]), format: 'esm', splitting: false, platform: 'neutral' },
  { ...common, entry: entryOf([cli]), format: 'esm', splitting: false },
]);
