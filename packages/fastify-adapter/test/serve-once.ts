// Run by the adapter suite under plain Node: `serve-once <name of a framework>`.
import { serveOnce } from '@pando/core/testing/suites';
import { frameworks } from './frameworks.js';
import { listenWith } from './harness.js';

const name = process.argv[2] as keyof typeof frameworks;
await serveOnce({ listen: listenWith(frameworks[name]) });
