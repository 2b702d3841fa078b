/** npm run bench -- <room> [--quick] [--json]. The peers we measure against are installed in bench/ only. */
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled } from './bootstrap.mjs';
import { ensureServers } from './provision.mjs';
import { main, root, runToExit } from './run.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureInstalled(join(root, 'bench'));
  await ensureBuilt();
  await ensureServers({ log: console.error });
  return runToExit(process.execPath, ['bench/run.mjs', ...process.argv.slice(2)]);
});
