import { join } from 'node:path';
import { expect, it } from 'vitest';
import { closeCodesPage } from './reference/close-codes.js';
import { errorsOf, errorsPage } from './reference/errors.js';
import { metricsPage } from './reference/metrics.js';
import { optionCodes } from './reference/option-codes.js';
import { levelsOf } from './reference/options.js';
import { optionsPage } from './reference/options-page.js';
import { PublicProgram } from './reference/program.js';
import { root } from './workspace.js';

const program = new PublicProgram();

/** `npm run reference` runs this file and lets it write what it finds different. */
it.each<[string, () => string | Promise<string>]>([
  ['errors.md', () => errorsPage(errorsOf(program), optionCodes(program))],
  ['options.md', async () => optionsPage(program, await levelsOf(program))],
  ['metrics.md', () => metricsPage()],
  ['close-codes.md', () => closeCodesPage(program)],
])('docs/reference/%s says what the source says: `npm run reference` writes it', async (file, write) => {
  await expect(await write()).toMatchFileSnapshot(join(root, 'docs/reference', file));
});
