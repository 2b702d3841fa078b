import { readdir, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { beforeAll, describe, expect, it } from 'vitest';
import workspace from '../../package.json' with { type: 'json' };
import { installPacked, type PackedApp } from './packed.js';
import { attempt, published, root, run } from './workspace.js';

/** The suites are written in vitest, which is published as ES modules only. */
const esmOnly = ['./testing/suites'];

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
      (path) => !/^package\/(dist\/.+\.(c?js|d\.c?ts|map)|package\.json|LICENSE|README\.md)$/.test(path),
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

  it('declares every package that it imports', async () => {
    const folder = join(app.path, 'node_modules/@pando', name);
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const declared = Object.keys({
      ...manifest.dependencies,
      ...manifest.peerDependencies,
      [manifest.name]: '',
    });
    const imported = await externalsOf(join(folder, 'dist'));
    expect(imported.filter((dependency) => !declared.includes(dependency))).toEqual([]);
  });

  it('declares its types without those of another package that does not ship them', async () => {
    const folder = join(app.path, 'node_modules/@pando', name, 'dist');
    const declarations = (await readdir(folder, { recursive: true })).filter((path) =>
      /\.d\.c?ts$/.test(path),
    );
    const imported = await packagesImportedBy(declarations.map((path) => join(folder, path)));
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
