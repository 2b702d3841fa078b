import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { root } from './workspace.js';

/** What the reader's own app has already. */
const given = `
declare const replicaUrls: string[];
declare const posts: { byId(id: string): Promise<{ title: string }> };
declare const authenticate: NonNullable<import('@pando/core/http').WsRoute['authenticate']>;
declare const authorize: NonNullable<import('@pando/core/http').WsRoute['authorize']>;
export {};
`;

/** What the compiler says to a module that lies beside this one. */
function complaintsAbout(code: string): string[] {
  const file = join(root, 'test/packaging/readme.virtual.ts');
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config.config, include: [], files: [file] },
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.getSourceFile = (path, ...rest) =>
    path === file
      ? ts.createSourceFile(path, code, ts.ScriptTarget.ES2023, true)
      : getSourceFile(path, ...rest);
  const lua = join(root, 'packages/core/src/lua.d.ts');
  const program = ts.createProgram([file, lua], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

const [, sample = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];

it('the first lines of the README compile as they stand', () => {
  expect(sample).toContain('createPando');
  expect(complaintsAbout(given + sample)).toEqual([]);
});

it('and would not if they were wrong', () => {
  expect(complaintsAbout(given + sample.replace('replicas:', 'replica:'))).not.toEqual([]);
});

it('the README begins with the two commands', () => {
  const top = readFileSync(join(root, 'README.md'), 'utf8').split('\n').slice(0, 10).join('\n');
  expect(top).toMatch(/npm start/);
  expect(top).toMatch(/npm test/);
});
