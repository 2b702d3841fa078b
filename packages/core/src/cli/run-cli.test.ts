import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runCli } from './run-cli.js';

async function run(...args: readonly string[]) {
  let [output, complaint] = ['', ''];
  const code = await runCli(args, {
    write: (text) => {
      output += text;
    },
    complain: (text) => {
      complaint += text;
    },
    isColoured: false,
  });
  return { code, output, complaint };
}

/** A folder with this package.json. */
async function project(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pando-project-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'package.json'), text);
  return folder;
}

it('ends with 2 for another command, which it does not repeat', async () => {
  const { code, output, complaint } = await run('redis://:swordfish@db');
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(complaint).toMatch(/^pando: the command is/);
  expect(complaint).not.toContain('swordfish');
});

it('says which check there is where none is to be skipped', async () => {
  const { code, complaint } = await run('doctor', '--skip', 'redis.evicton');
  expect(code).toBe(2);
  expect(complaint).toContain('Did you mean redis.eviction?');
});

it.each(['{ "name": "shop", ', 'null', '{ "name": "shop", "dependencies": null }'])(
  'looks at a package.json of %s, and does not fail over it',
  async (text) => {
    const { code, output } = await run('doctor', '--json', '--project', await project(text));
    const isJson = text !== '{ "name": "shop", ';
    expect(code).toBe(isJson ? 0 : 2);
    expect(JSON.parse(output).findings).toMatchObject([
      { check: 'project.per-process', verdict: isJson ? 'fine' : 'unknown' },
    ]);
  },
);

it('tells programs each finding with the same fields, and the verdict of all', async () => {
  const folder = await project('{ "name": "shop", "dependencies": { "node-cache": "5" } }');
  const { code, output } = await run(
    'doctor',
    '--json',
    '--project',
    folder,
    '--redis',
    'redis://127.0.0.1:1',
  );
  const text = expect.any(String);
  expect(JSON.parse(output)).toEqual({
    verdict: 'unknown',
    findings: [
      {
        check: 'redis.connection',
        subject: 'Redis 127.0.0.1:1',
        verdict: 'unknown',
        found: expect.stringContaining('ECONNREFUSED'),
        why: text,
        todo: text,
      },
      expect.objectContaining({ check: 'fleet.members', verdict: 'unknown' }),
      {
        check: 'project.per-process',
        subject: 'Project shop',
        verdict: 'note',
        found: expect.stringMatching(/^node-cache keeps/),
        why: text,
        todo: text,
      },
    ],
  });
  expect(code).toBe(2);
});
