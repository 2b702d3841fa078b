import { beforeAll, expect, it } from 'vitest';
import { attempt, root, run } from './workspace.js';

beforeAll(() => run(process.execPath, ['scripts/build.mjs']), 240_000);

it('an error that nobody caught while a kit starts is the one that the process ends with', async () => {
  const app = `
    import { createPando } from '@pando/core';
    createPando();
    throw new Error('nobody caught this');`;
  const { stderr } = await attempt(process.execPath, ['--input-type=module', '-e', app], root);
  expect(stderr).toMatch(/^Error: nobody caught this$/m);
});
