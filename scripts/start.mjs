/** npm start: installs and builds what is missing, then runs the example app in this terminal. */
import { ensureBuilt, ensureInstalled } from './bootstrap.mjs';
import { main, runToExit } from './run.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  return runToExit(process.execPath, ['examples/blog-api/dist/server.js', ...process.argv.slice(2)]);
});
