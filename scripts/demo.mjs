/** npm run demo: several instances of the example app on one Redis and one Postgres, as one. */
import { ensureBuilt, ensureInstalled } from './bootstrap.mjs';
import { ensureServers } from './provision.mjs';
import { main, runToExit } from './run.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  const { redis } = await ensureServers({ servers: ['redis', 'postgres'], log: console.error });
  return runToExit(process.execPath, ['examples/blog-api/dist/demo.js', ...process.argv.slice(2)], {
    env: { ...process.env, REDIS_SERVER: redis },
  });
});
