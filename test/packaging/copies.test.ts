import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { root, run } from './workspace.js';

const dist = join(root, 'packages/core/dist');

it('two copies of the library in one process know the errors of each other, and share nothing else', async () => {
  const source = `
    import { createRequire } from 'node:module';
    const cjs = createRequire(import.meta.url)(${JSON.stringify(join(dist, 'index.cjs'))});
    const esm = await import(${JSON.stringify(pathToFileURL(join(dist, 'index.js')).href)});
    const refusal = (copy) => copy.createPando({ redsi: 1 }).catch((error) => error);
    const errors = [await refusal(cjs), await refusal(esm)];

    const [one, two] = [await cjs.createPando(), await esm.createPando()];
    await one.cache.getOrLoad('key', () => 'of one');
    const value = await two.cache.getOrLoad('key', () => 'of two');
    await one.close();
    const state = two.lifecycle.state;
    await two.close();

    console.log(JSON.stringify({
      isTwice: cjs.PandoError !== esm.PandoError,
      known: errors.map((error) => [cjs.isPandoError(error, 'PANDO_OPTIONS'), esm.isPandoError(error, 'PANDO_OPTIONS')]),
      instances: errors.map((error) => [error instanceof cjs.PandoError, error instanceof esm.PandoError]),
      value,
      state,
    }));
  `;
  expect(JSON.parse(await run(process.execPath, ['--input-type=module', '--eval', source]))).toEqual({
    isTwice: true,
    known: [
      [true, true],
      [true, true],
    ],
    instances: [
      [true, false],
      [false, true],
    ],
    value: 'of two',
    state: 'starting',
  });
});
