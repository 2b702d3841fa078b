import { existsSync } from 'node:fs';
import { defineConfig } from 'tsup';
import manifest from './package.json' with { type: 'json' };

/** One entry for each subpath in `exports`: `./cache` is built from src/cache/index.ts to dist/cache/index.*. */
const entries = Object.keys(manifest.exports)
  .filter((subpath) => subpath !== './package.json')
  .map((subpath) => (subpath === '.' ? 'index' : `${subpath.slice(2)}/index`))
  .filter((name) => existsSync(`src/${name}.ts`));

export default defineConfig({
  entry: Object.fromEntries(entries.map((name) => [name, `src/${name}.ts`])),
  // The suites are published as ES modules only, since vitest is: `files` in package.json leaves their other form out.
  format: ['esm', 'cjs'],
  // Without splitting, every CommonJS subpath would carry its own copy of the shared classes.
  splitting: true,
  dts: true,
  clean: false,
  sourcemap: true,
  target: 'node20',
  tsconfig: 'tsconfig.build.json',
  loader: { '.lua': 'text' },
});
