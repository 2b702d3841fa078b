import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { root, temporaryFolder } from './workspace.js';

/** A repository like ours in which a package is another one; links all the way, and taken as if they were none. */
async function repositoryWith(
  replaced: string,
  by: string,
): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await temporaryFolder();
  const link = (path: string, to = path) => symlink(join(root, to), join(folder.path, path));
  for (const path of ['packages', 'tsconfig.json', 'tsconfig.base.json']) await link(path);
  for (const scope of ['node_modules', 'node_modules/@types']) {
    await mkdir(join(folder.path, scope));
    for (const name of await readdir(join(root, scope))) {
      const path = `${scope}/${name}`;
      if (path !== 'node_modules/@types') await link(path, path === replaced ? by : path);
    }
  }
  return folder;
}

/** What the compiler says to an adapter's type tests when the types of its framework are others. */
async function complaintsWith(adapter: string, replaced: string, by: string): Promise<string[]> {
  await using repository = await repositoryWith(replaced, by);
  const at = (path: string): string => join(repository.path, path);
  const files = [at(`packages/${adapter}/test/types.test-d.ts`), at('packages/core/src/lua.d.ts')];
  const { config } = ts.readConfigFile(at('tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, include: [], files },
    ts.sys,
    repository.path,
  );
  const program = ts.createProgram(files, { ...options, preserveSymlinks: true });
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
}

it('the types of the Express adapter fit those of Express 4', async () => {
  const complaints = await complaintsWith(
    'express-adapter',
    'node_modules/@types/express',
    'node_modules/@types/express4',
  );
  expect(complaints).toEqual([]);
});

it('the types of the Fastify adapter fit those of Fastify 5.0.0', async () => {
  const complaints = await complaintsWith(
    'fastify-adapter',
    'node_modules/fastify',
    'node_modules/fastify-lowest',
  );
  expect(complaints).toEqual([]);
});
