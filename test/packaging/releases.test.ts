import { readdirSync, readFileSync } from 'node:fs';
import { access, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import workspace from '../../package.json' with { type: 'json' };
import { withRepository } from '../../scripts/publish.mjs';
import { published, root, run, temporaryFolder } from './workspace.js';

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const apps = ['examples/blog-api', 'test'];
const packages = published.map((name) => `packages/${name}`);

describe('a release of one changed package', () => {
  let at: string;
  const manifest = async (folder: string): Promise<Manifest> =>
    JSON.parse(await readFile(join(at, folder, 'package.json'), 'utf8'));

  beforeAll(async () => {
    const folder = await temporaryFolder();
    at = folder.path;
    for (const file of [
      '.changeset',
      'package.json',
      ...[...packages, ...apps].map((p) => `${p}/package.json`),
    ]) {
      await mkdir(dirname(join(at, file)), { recursive: true });
      await cp(join(root, file), join(at, file), { recursive: true });
    }
    await writeFile(join(at, '.changeset/one.md'), '---\n"@pando/core": minor\n---\n\nGrows a new root.\n');
    const git = (...args: string[]) =>
      run(
        'git',
        ['-c', 'user.name=t', '-c', 'user.email=t@localhost', '-c', 'commit.gpgsign=false', ...args],
        at,
      );
    await git('init', '--quiet', '--initial-branch=main');
    await git('add', '.');
    await git('commit', '--quiet', '--message=One change');
    await run(process.execPath, [join(root, 'node_modules/@changesets/cli/bin.js'), 'version'], at);
    return () => folder[Symbol.asyncDispose]();
  });

  it('raises all of them to one version', async () => {
    const [major, minor] = (await manifest('packages/core')).version.split('.').map(Number);
    const before = JSON.parse(readFileSync(join(root, 'packages/core/package.json'), 'utf8')) as Manifest;
    expect(`${major}.${minor}.0`).not.toBe(before.version);
    for (const folder of packages) expect((await manifest(folder)).version).toBe(`${major}.${minor}.0`);
  });

  it('makes adapters ask for the core that they were released with', async () => {
    const { version } = await manifest('packages/core');
    for (const folder of packages.slice(1)) {
      expect((await manifest(folder)).dependencies).toMatchObject({ '@pando/core': `^${version}` });
    }
  });

  it('leaves apps that nobody publishes alone', async () => {
    for (const folder of apps) {
      const before = await readFile(join(root, folder, 'package.json'), 'utf8');
      expect(await readFile(join(at, folder, 'package.json'), 'utf8')).toBe(before);
    }
  });

  it('tells in a changelog what changed, and takes the changesets away', async () => {
    expect(await readFile(join(at, 'packages/core/CHANGELOG.md'), 'utf8')).toContain('Grows a new root.');
    expect(readdirSync(join(at, '.changeset')).sort()).toEqual(['README.md', 'config.json']);
  });
});

describe('a manifest is published with the repository that it was built in', () => {
  const env = { GITHUB_SERVER_URL: 'https://git.example', GITHUB_REPOSITORY: 'grove/pando' };

  it('as the runner knows it', () => {
    expect(withRepository({ name: 'x' }, 'packages/core', env)).toEqual({
      name: 'x',
      homepage: 'https://git.example/grove/pando/tree/main/packages/core#readme',
      bugs: 'https://git.example/grove/pando/issues',
      repository: { type: 'git', url: 'git+https://git.example/grove/pando.git', directory: 'packages/core' },
    });
  });

  it('unless it names one itself, or no runner is there', () => {
    const located = { repository: { type: 'git', url: 'git+https://git.example/a/b.git', directory: 'c' } };
    expect(withRepository(located, 'packages/core', env)).toBe(located);
    const bare = { name: 'x' };
    expect(withRepository(bare, 'packages/core', {})).toBe(bare);
  });
});

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Workflow {
  readonly on: object;
  readonly permissions?: object;
  readonly jobs: Readonly<
    Record<
      string,
      { readonly uses?: string; readonly permissions?: object; readonly steps?: readonly Step[] }
    >
  >;
}

const folder = '.github/workflows';

describe.each(readdirSync(join(root, folder)))('the workflow %s', (name) => {
  const workflow = parse(readFileSync(join(root, folder, name), 'utf8')) as Workflow;
  const jobs = Object.values(workflow.jobs);
  const steps = jobs.flatMap((job) => job.steps ?? []);
  const commands = steps
    .flatMap(({ run: command, with: inputs }) => [command, inputs?.version, inputs?.publish])
    .filter((command) => typeof command === 'string')
    .flatMap((command) => command.trim().split('\n'));

  it('runs on something, with rights that it names', () => {
    expect(Object.keys(workflow.on)).not.toEqual([]);
    expect(workflow.permissions).toBeDefined();
  });

  it('runs only scripts that exist', async () => {
    for (const command of commands) {
      const [, script] = /^npm run ([\w:-]+)/.exec(command) ?? [];
      if (script !== undefined) expect(Object.keys(workspace.scripts)).toContain(script);
      const [, file] = /^((?:\.\w+|scripts)\/[\w./-]+)/.exec(command) ?? [];
      if (file !== undefined) await access(join(root, file));
      expect(script ?? file ?? command).toMatch(/^(npm ci|echo .*|[\w:-]+|[\w./-]+)$/);
    }
  });

  it('uses actions of a fixed major version, and workflows that exist', async () => {
    for (const { uses } of [...jobs, ...steps]) {
      if (uses?.startsWith('./')) await access(join(root, uses));
      else if (uses !== undefined) expect(uses).toMatch(/^[\w-]+\/[\w-]+@(v\d+|[0-9a-f]{40})$/);
    }
  });
});
