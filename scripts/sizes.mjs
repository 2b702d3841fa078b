/**
 * npm run sizes: what each subpath of each package weighs, as a Markdown table.
 *
 *   npm run sizes              measures, and compares with the budgets
 *   npm run sizes -- --write   makes every budget what was measured, and a tenth
 *
 * A subpath weighs what is loaded for it: our own files that it imports, whole, minified and compressed together. What it
 * imports only when it is needed (`import()`) weighs in a row of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ensureBuilt, ensureInstalled } from './bootstrap.mjs';
import { main, root } from './run.mjs';

const packages = ['packages/core', 'packages/express-adapter', 'packages/fastify-adapter'];
const budgetFile = join(root, 'test/packaging/size-budgets.json');

/** Measures every subpath of the built packages. */
export async function measureSizes() {
  return (await Promise.all(packages.flatMap(entriesOf).map(measure))).flat();
}

/** The most that each subpath may weigh, in bytes. */
export function readBudgets() {
  return JSON.parse(readFileSync(budgetFile, 'utf8'));
}

function entriesOf(folder) {
  const { name, exports } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  return Object.entries(exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([subpath, target]) => ({
      subpath: subpath.replace('.', name),
      entry: join(root, folder, target.default ?? target.import.default),
    }));
}

async function measure({ subpath, entry }) {
  const { build } = await import('esbuild');
  const later = [];
  const onDemand = ({ kind, path, resolveDir }) => {
    if (kind !== 'dynamic-import') return undefined;
    later.push({ subpath: `${subpath} + ${basename(path)}`, entry: join(resolveDir, path) });
    return { path, external: true };
  };
  const plugins = [{ name: 'on demand', setup: (bundle) => bundle.onResolve({ filter: /^\./ }, onDemand) }];
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    minify: true,
    metafile: true,
    write: false,
    packages: 'external',
    tsconfigRaw: {}, // ours leads from package names to sources
    platform: 'node',
    format: 'esm',
    // Node loads files whole, whatever is used of them.
    treeShaking: false,
    ignoreAnnotations: true,
    plugins,
  });
  const [{ contents }] = outputFiles;
  const modules = Object.keys(metafile.inputs)
    .flatMap((file) => modulesIn(join(root, file)))
    .sort((a, b) => b.bytes - a.bytes);
  const gzipBytes = gzipSync(contents, { level: 9 }).length;
  const size = { subpath, bytes: contents.length, gzipBytes, modules };
  return [size, ...(await Promise.all(later.map(measure))).flat()];
}

/** The sources in a built file: the bundler heads each with a comment. */
function modulesIn(file) {
  const [, ...parts] = readFileSync(file, 'utf8').split(/^\/\/ (src\/.+)$/m);
  return parts.flatMap((name, index) =>
    index % 2 === 0 ? [{ name, bytes: Buffer.byteLength(parts[index + 1]) }] : [],
  );
}

/** A budget for what was measured: a tenth more, in full hundreds. */
const budgetFor = ({ gzipBytes }) => Math.ceil((gzipBytes * 1.1) / 100) * 100;
const kilobytes = (bytes) => (bytes === undefined ? '–' : `${(bytes / 1_000).toFixed(1)} kB`);

function table(sizes, budgets) {
  return [
    '| subpath | minified | and gzipped | budget | largest module |',
    '|---|--:|--:|--:|---|',
    ...sizes.map(
      ({ subpath, bytes, gzipBytes, modules: [largest] }) =>
        `| \`${subpath}\` | ${kilobytes(bytes)} | ${kilobytes(gzipBytes)} | ${kilobytes(budgets[subpath])} | ${largest.name} |`,
    ),
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    await ensureInstalled();
    await ensureBuilt();
    const sizes = await measureSizes();
    if (process.argv.includes('--write')) {
      const budgets = Object.fromEntries(sizes.map((size) => [size.subpath, budgetFor(size)]));
      writeFileSync(budgetFile, `${JSON.stringify(budgets, null, 2)}\n`);
      console.error(`Wrote ${relative(process.cwd(), budgetFile)}.`);
    }
    console.log(table(sizes, readBudgets()));
  });
}
