import { readdir, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { beforeAll, describe, expect, it } from 'vitest';
import workspace from '../../package.json' with { type: 'json' };
import { installPacked, type PackedApp } from './packed.js';
import { attempt, published, root, run } from './workspace.js';

/** The suites are written in vitest, which is published as ES modules only. */
const esmOnly = ['./testing/suites'];

interface SourceMap {
  readonly sources: readonly string[];
  readonly sourcesContent: readonly (string | null)[];
}

let app: PackedApp;
beforeAll(async () => {
  app = await installPacked();
  return () => app[Symbol.asyncDispose]();
});

describe.each(published)('the package %s', (name) => {
  it('is well formed (publint, strict)', async () => {
    const pkgDir = join(app.path, 'node_modules/@pando', name);
    const { messages, pkg } = await publint({ pkgDir, pack: false, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('has types that are right for import and for require (attw, node16)', async () => {
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const args = [attw, app.tarball(name), '--profile', 'node16', '--format', 'ascii', '--no-emoji'];
    const outcome = await attempt(process.execPath, [...args, '--exclude-entrypoints', ...esmOnly]);
    expect(outcome).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('node16 (from CJS): OK (CJS)'),
    });
  });

  it('ships what was built, its manifest and its license, nothing else', async () => {
    const listed = (await run('tar', ['-tzf', app.tarball(name)])).trim().split('\n');
    const others = listed.filter(
      (path) =>
        !/^package\/(dist\/.+\.(c?js|d\.c?ts|map)|migrations\/.+\.sql|package\.json|LICENSE|(README|CHANGELOG)\.md)$/.test(
          path,
        ),
    );
    expect(others).toEqual([]);
    expect(listed).toContain('package/LICENSE');
  });

  it('builds every subpath that its manifest exports', async () => {
    const folder = join(app.path, 'node_modules/@pando', name);
    const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
      exports: object;
    };
    const targets = JSON.stringify(exports).match(/\.\/dist\/[^"]+/g) ?? [];
    const listed = (await run('tar', ['-tzf', app.tarball(name)])).trim().split('\n');
    const shipped = new Set(listed.map((path) => path.replace('package/', './')));
    expect([...new Set(targets)].filter((target) => !shipped.has(target))).toEqual([]);
  });

  it('declares every package that it imports, and no other', async () => {
    const folder = join(app.path, 'node_modules/@pando', name);
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const imported = await externalsOf(join(folder, 'dist'));
    const required = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
    expect(imported.filter((dependency) => ![...required, manifest.name].includes(dependency))).toEqual([]);
    // A framework may be met only as the app that is handed over, and in types.
    const used = [...imported, ...(await packagesImportedBy(await declarationsOf(folder))), 'express'];
    expect(required.filter((dependency) => !used.includes(dependency))).toEqual([]);
  });

  it('ships source maps that hold their sources, and name no place outside the package', async () => {
    const dist = join(app.path, 'node_modules/@pando', name, 'dist');
    const files = await readdir(dist, { recursive: true });
    const maps = files.filter((path) => path.endsWith('.map'));
    expect(maps.length).toBeGreaterThan(0);
    const lost: string[] = [];
    for (const path of maps) {
      const { sources, sourcesContent } = JSON.parse(await readFile(join(dist, path), 'utf8')) as SourceMap;
      sources.forEach((source, index) => {
        if (typeof sourcesContent[index] !== 'string' || !/^(\.\.\/)+src\//.test(source))
          lost.push(`${path}: ${source}`);
      });
    }
    expect(lost).toEqual([]);
    for (const path of files.filter((path) => /\.c?js$/.test(path))) {
      const [, map] = /\n\/\/# sourceMappingURL=(.+)/.exec(await readFile(join(dist, path), 'utf8')) ?? [];
      if (map !== undefined) expect(files).toContain(join(dirname(path), map));
    }
  });

  it('declares its types without those of another package that does not ship them', async () => {
    const folder = join(app.path, 'node_modules/@pando', name);
    const imported = await packagesImportedBy(await declarationsOf(folder));
    expect(imported.filter((dependency) => `@types/${dependency}` in workspace.devDependencies)).toEqual([]);
  });
});

it('the suites have types that are right for import (attw, esm-only)', async () => {
  const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
  const args = ['--entrypoints', ...esmOnly, '--profile', 'esm-only', '--format', 'ascii', '--no-emoji'];
  const outcome = await attempt(process.execPath, [attw, app.tarball('core'), ...args]);
  expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining('node16 (from ESM): OK (ESM)') });
});

/** The packages, Node's own aside, that the modules of a folder import. */
async function externalsOf(folder: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [join(folder, '**/*.js')],
    outdir: folder,
    write: false,
    bundle: true,
    metafile: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'silent', // errors are thrown
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  return [...new Set(imports.filter(({ external }) => external).map(({ path }) => packageOf(path)))].filter(
    (specifier) => !isBuiltin(specifier),
  );
}

/** `@scope/name` of `@scope/name/file`. */
function packageOf(specifier: string): string {
  const [scope = '', rest] = specifier.split('/');
  return scope.startsWith('@') ? `${scope}/${rest}` : scope;
}

async function declarationsOf(folder: string): Promise<string[]> {
  const files = await readdir(join(folder, 'dist'), { recursive: true });
  return files.filter((path) => /\.d\.c?ts$/.test(path)).map((path) => join(folder, 'dist', path));
}

/** The packages, Node's own aside, that these declarations import or re-export from. */
async function packagesImportedBy(paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    const text = await readFile(path, 'utf8');
    for (const [, , specifier = ''] of text.matchAll(
      /^(?:import|export)\b[^;]*?\b(from )?'([^'.][^']*)';/gm,
    )) {
      if (!isBuiltin(specifier)) found.add(packageOf(specifier));
    }
  }
  return [...found];
}
