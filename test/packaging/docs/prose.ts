import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { filesIn, published, root } from '../workspace.js';
import { type Page, partsOf, readPage } from './pages.js';
import type { Compiled, Complaint } from './samples.js';

/** Links between pages that lead nowhere. */
export function brokenLinks(page: Page): readonly Complaint[] {
  return partsOf(page).prose.flatMap(({ text, line }) =>
    [...text.replace(/`[^`]*`/g, '').matchAll(/\]\(([^()\s]+)\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !leads(page, target))
      .map((target) => ({ path: page.path, line, message: `${target} leads nowhere` })),
  );
}

function leads({ path, text }: Page, target: string): boolean {
  const [file = '', anchor] = target.split('#', 2);
  if (file === '') return anchorsOf({ path, text }).has(anchor ?? '');
  const found = join(dirname(path), file);
  if (!existsSync(join(root, found))) return false;
  return anchor === undefined || anchorsOf(readPage(found)).has(anchor);
}

/** What GitHub makes of headings. */
function anchorsOf(page: Page): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const { text } of partsOf(page).prose) {
    const heading = /^#+ (.*)$/.exec(text)?.[1];
    if (heading === undefined) continue;
    const anchor = heading
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replace(/\s/g, '-');
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

/** What prose and commands name that does not exist: options, errors, metrics, files, scripts. */
export function unknownNames(page: Page, { hasMember }: Pick<Compiled, 'hasMember'>): readonly Complaint[] {
  const { blocks, prose } = partsOf(page);
  const named = prose.flatMap(({ text, line }) =>
    [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => ({ name, line })),
  );
  const commands = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap(({ code, line }) => code.split('\n').map((name, index) => ({ name, line: line + index })));
  return [
    ...named.filter(({ name }) => !exists(name, hasMember)),
    ...rowsOf(page).filter(({ name }) => !isRow(name)),
    ...[...named, ...commands].flatMap(({ name, line }) =>
      scriptsIn(name)
        .filter((script) => !scripts.has(script))
        .map((script) => ({ name: `npm run ${script}`, line })),
    ),
  ].map(({ name, line }) => ({ path: page.path, line, message: `${name} does not exist` }));
}

const files = ['packages', 'examples', 'test', 'docs', 'scripts'].flatMap(filesIn);
/** What is published, as one text. */
const sources = published
  .flatMap((name) => files.filter((file) => file.startsWith(`packages/${name}/src/`)))
  .map((file) => readFileSync(join(root, file), 'utf8'))
  .join('\n');
const scripts: ReadonlySet<string> = new Set([
  'install',
  'ci',
  ...Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts),
]);

/** What the tables of results call their rows. */
function rowsOf(page: Page): readonly { readonly name: string; readonly line: number }[] {
  if (page.path !== 'docs/reference/benchmarks.md') return [];
  return partsOf(page).prose.flatMap(({ text, line }) => {
    const name = /^\| `([^`]+)` \|/.exec(text)?.[1];
    return name === undefined ? [] : [{ name, line }];
  });
}

const bench = new URL('../../../bench/rooms.mjs', import.meta.url).href;
const { rooms: benches, rowIdsOf } = (await import(bench)) as {
  readonly rooms: object;
  rowIdsOf(room: string): Promise<readonly string[]>;
};
const rowIds: ReadonlySet<string> = new Set((await Promise.all(Object.keys(benches).map(rowIdsOf))).flat());
const isRow = (name: string): boolean => rowIds.has(name);

const rooms = /^(cache|db|realtime|limits|health|metrics|lifecycle|redis|http)(\.[a-z]\w*)+$/;

function exists(name: string, hasMember: Compiled['hasMember']): boolean {
  if (rooms.test(name) && !name.endsWith('.ts')) return isRow(name) || hasMember(name);
  if (/^[A-Z]\w+Error$/.test(name)) return new RegExp(`class ${name} `).test(sources);
  if (/^PANDO_[A-Z]+_OPTIONS$/.test(name)) return true; // made of the name of a room
  if (/^PANDO_[A-Z_]+[A-Z]$|^pando_[a-z_]+[a-z]$/.test(name)) return sources.includes(name);
  if (/^[\w.-]+(\/[\w.-]+)+\.(ts|mjs|lua|sql|md)$/.test(name)) {
    return files.some((file) => `/${file}`.endsWith(`/${name}`));
  }
  if (/^(packages|examples|test|docs|scripts|bench)(\/[\w.-]+)*\/?$/.test(name))
    return existsSync(join(root, name));
  return true;
}

function scriptsIn(command: string): readonly string[] {
  const pattern = /\bnpm (?:run (?:-\w+ )*([\w:-]+)|(start|test)\b)/g;
  return [...command.matchAll(pattern)].map(([, run, short]) => run ?? short ?? '');
}
