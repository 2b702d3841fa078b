/** The measurements of one room, or of all: `npm run bench -- [room] [--quick] [--json] [--save]`. Progress goes to standard error. */
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { compare, sizes } from './harness/compare.mjs';
import { describeMachine, formatMarkdown } from './harness/report.mjs';
import { saveSection } from './harness/save.mjs';
import { Servers } from './harness/servers.mjs';
import { modulesOf, rooms } from './rooms.mjs';

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
const tables = [];
try {
  const asked = Object.keys(rooms).filter((name) => room === undefined || name === room);
  for (const [name, module] of asked.flatMap((name) => modulesOf(name).map((module) => [name, module]))) {
    const { comparisons = [], open, show } = await import(module);
    const settings = await open?.(servers);
    for (const comparison of comparisons) {
      console.error(`${name}: ${comparison.what} (against ${comparison.peer}) ...`);
      rows.push(...(await compare(comparison, { module, settings, size, versionOf })));
    }
    if (show !== undefined)
      tables.push(await show(servers, { isQuick: values.quick === true, versionOf, own }));
  }
} finally {
  await servers.close();
}

if (values.json) {
  console.log(JSON.stringify({ machine, rows, tables }, null, 2));
} else {
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  const versions = [`@pando/core ${own}`, ...servers.versions];
  const markdown = formatMarkdown({ command, machine, versions, size, rows, tables });
  console.log(markdown);
  if (values.save) saveSection(room, markdown);
}

function readArguments() {
  try {
    const options = { quick: { type: 'boolean' }, json: { type: 'boolean' }, save: { type: 'boolean' } };
    const read = parseArgs({ allowPositionals: true, options });
    const unknown = read.positionals.find((name) => !Object.hasOwn(rooms, name));
    if (read.values.save && read.positionals.length === 0) throw new Error('Results are saved room by room.');
    if (unknown !== undefined || read.positionals.length > 1)
      throw new Error(`There is no room "${read.positionals.join(' ')}".`);
    return read;
  } catch (error) {
    console.error(
      `${error.message}\nnpm run bench -- [${Object.keys(rooms).join(' | ')}] [--quick] [--json] [--save]`,
    );
    process.exit(2);
  }
}
