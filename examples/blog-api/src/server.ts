import { welcome } from './banner.js';
import { readConfig } from './config.js';
import { explain } from './failure.js';
import { startBlog } from './start.js';

try {
  const config = readConfig(process.env);
  const { url, instanceId } = await startBlog(config);
  console.log(welcome({ url, instanceId, config, startedInMs: process.uptime() * 1000 }));
} catch (error) {
  console.error(`blog-api: ${explain(error)}`);
  process.exit(1);
}
