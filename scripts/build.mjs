/**
 * npm run build: the packages and the example app, each only when its sources changed.
 *
 *   node scripts/build.mjs           JavaScript only, in seconds
 *   node scripts/build.mjs --types   type declarations too
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withFileLock } from './lock.mjs';
import { main, root, run } from './run.mjs';

// In the order of their types: the adapters' declarations refer to core's.
const projects = [
  'packages/core',
  'packages/express-adapter',
  'packages/fastify-adapter',
  'examples/blog-api',
];
const isWritten = (project) =>
  ['index.ts', 'server.ts'].some((entry) => existsSync(join(root, project, 'src', entry)));
const stampFile = join(root, 'node_modules', '.pando-built.json');
const lockFile = join(root, 'node_modules', '.pando-build.lock');
// Files get their time from a coarser clock than ours, which may lag behind it.
const clockGrainMs = 50;
const tsup = join(root, 'node_modules', 'tsup', 'dist', 'cli-default.js');

/** Builds every project whose sources changed since it was last built. */
export async function buildAll({ types = false } = {}) {
  await withFileLock(lockFile, async () => {
    const built = existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};
    const stale = findStale(built, types);
    if (stale.length === 0) return;

    console.error(
      `Building ${stale.map(({ project }) => project).join(', ')} ${types ? 'with types ' : ''}...`,
    );
    const startedAt = performance.now();
    const build = async ({ project, hash }) => {
      await buildProject(project, types);
      built[project] = { hash, types };
      writeFileSync(stampFile, `${JSON.stringify(built, null, 2)}\n`);
    };
    if (types) for (const each of stale) await build(each);
    else for (const end of await Promise.allSettled(stale.map(build))) if (end.reason) throw end.reason;
    console.error(`Built in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  });
}

function findStale(built, types) {
  const core = hashSources('packages/core');
  return projects
    .filter(isWritten)
    .map((project) => ({ project, hash: `${core}.${hashSources(project)}` }))
    .filter(({ project, hash }) => {
      const last = existsSync(join(root, project, 'dist')) ? built[project] : undefined;
      return last?.hash !== hash || (types && !last.types);
    });
}

async function buildProject(project, types) {
  const cwd = join(root, project);
  const before = listFiles(join(cwd, 'dist'));
  const startedAt = Date.now();
  const isApp = !project.startsWith('packages/');
  await run(process.execPath, [tsup, '--silent', ...(types || isApp ? [] : ['--no-dts'])], { cwd });
  // Chunks carry a hash in their name, so a build leaves the last one's behind. Remove what this one did not write,
  // afterwards: a process that runs from dist meanwhile never sees an empty folder.
  for (const file of before) {
    if (existsSync(file) && statSync(file).mtimeMs < startedAt - clockGrainMs) rmSync(file);
  }
  dropCommonJsMaps(join(cwd, 'dist'));
}

/** The maps of CommonJS files name files of this machine; Node runs the ES modules beside them, whose maps hold the sources. */
function dropCommonJsMaps(dist) {
  for (const map of listFiles(dist).filter((file) => file.endsWith('.cjs.map'))) {
    const file = map.slice(0, -'.map'.length);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n'));
    rmSync(map);
  }
}

/** Hashes everything of its own that a project's output depends on; tests do not count. */
function hashSources(project) {
  const hash = createHash('sha256');
  const shared = ['package-lock.json', 'tsconfig.base.json', 'scripts/build.mjs'].map((file) =>
    join(root, file),
  );
  const own = ['package.json', 'tsup.config.ts', 'tsconfig.build.json'].map((file) =>
    join(root, project, file),
  );
  const sources = listFiles(join(root, project, 'src')).filter((file) => !/\.test(-d)?\.ts$/.test(file));
  for (const file of [...shared, ...own, ...sources].filter((path) => existsSync(path))) {
    hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

function listFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(() => buildAll({ types: process.argv.includes('--types') }));
}
