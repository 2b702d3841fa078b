import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { published, root, run, temporaryFolder } from './workspace.js';

/** An app's folder in which the packages are installed from their tarballs, as a user has them. */
export interface PackedApp extends AsyncDisposable {
  readonly path: string;
  /** The tarball of a package, by its folder's name. */
  tarball(name: (typeof published)[number]): string;
}

/** Builds and packs the packages and installs the tarballs in a fresh app; everything else is linked from our node_modules. */
export async function installPacked(): Promise<PackedApp> {
  const folder = await temporaryFolder();
  const modules = join(folder.path, 'node_modules');
  const tarballs = new Map<string, string>();

  await run(process.execPath, ['scripts/build.mjs', '--types']);
  await mkdir(join(modules, '@pando'), { recursive: true });
  for (const entry of await readdir(join(root, 'node_modules'))) {
    if (entry.startsWith('.') || entry === '@pando') continue;
    await symlink(join(root, 'node_modules', entry), join(modules, entry));
  }
  for (const name of published) {
    const from = join(root, 'packages', name);
    const said = await run(
      'npm',
      ['pack', '--ignore-scripts', '--json', '--pack-destination', folder.path],
      from,
    );
    const [{ filename }] = JSON.parse(said) as [{ filename: string }];
    const target = join(modules, '@pando', name);
    await mkdir(target);
    await run('tar', ['-xzf', join(folder.path, filename), '-C', target, '--strip-components=1']);
    tarballs.set(name, join(folder.path, filename));
  }
  return {
    path: folder.path,
    tarball: (name) => tarballs.get(name) as string,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
