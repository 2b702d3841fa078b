/**
 * npm run reference: writes docs/reference from the source. The test that compares the two does the writing, so that they
 * cannot disagree about what is right.
 */
import { join } from 'node:path';
import { main, root, runToExit } from './run.mjs';

await main(() =>
  runToExit(process.execPath, [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--project',
    'packaging',
    'test/packaging/reference.test.ts',
    '--update',
  ]),
);
