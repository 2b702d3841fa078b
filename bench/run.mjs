/** The measurements of one room, or of all: `npm run bench -- [room] [--quick] [--json]`. Progress goes to standard error. */
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { compare, sizes } from './harness/compare.mjs';
import { describeMachine, formatMarkdown } from './harness/report.mjs';
import { Servers } from './harness/servers.mjs';

const rooms = {
  cache: './peers/cache.mjs',
  db: './peers/db.mjs',
  kernel: './micro/kernel.mjs',
  limits: './peers/limits.mjs',
  realtime: './peers/realtime.mjs',
};

const { positionals, values } = readArguments();
const [room] = positionals;
const size = values.quick ? sizes.quick : sizes.full;
const { dependencies } = createRequire(import.meta.url)('./package.json');
const { version: own } = createRequire(import.meta.url)('@pando/core/package.json');
/** Versions are pinned exactly, so what package.json names is what runs. */
const versionOf = (name) => dependencies[name] ?? process.versions.node;

const machine = describeMachine();
const servers = new Servers();
const rows = [];
try {
  for (const [name, file] of Object.entries(rooms).filter(([name]) => room === undefined || name === room)) {
    const module = new URL(file, import.meta.url).href;
    const { comparisons, open } = await import(module);
    const settings = await open(servers);
    for (const comparison of comparisons) {
      console.error(`${name}: ${comparison.what} (against ${comparison.peer}) ...`);
      rows.push(...(await compare(comparison, { module, settings, size, versionOf })));
    }
  }
} finally {
  await servers.close();
}

if (values.json) {
  console.log(JSON.stringify({ machine, rows }, null, 2));
} else {
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  const versions = [`@pando/core ${own}`, ...servers.versions];
  console.log(formatMarkdown({ command, machine, versions, size, rows }));
}

function readArguments() {
  try {
    const options = { quick: { type: 'boolean' }, json: { type: 'boolean' } };
    const read = parseArgs({ allowPositionals: true, options });
    const unknown = read.positionals.find((name) => !Object.hasOwn(rooms, name));
    if (unknown !== undefined || read.positionals.length > 1)
      throw new Error(`There is no room "${read.positionals.join(' ')}".`);
    return read;
  } catch (error) {
    console.error(
      `${error.message}\nnpm run bench -- [${Object.keys(rooms).join(' | ')}] [--quick] [--json]`,
    );
    process.exit(2);
  }
}
