import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import manifest from '../../packages/core/package.json' with { type: 'json' };
import { PandoError } from '../../packages/core/src/kernel/errors.js';
import { callsIn, type Declaration, declarationsOf, importsOf, parse, sources } from './source-graph.js';
import { filesIn, rooms, root } from './workspace.js';

type RoomName = (typeof rooms)[number];

const core = 'packages/core/src';
/** What core has besides rooms. */
const floors = ['cli', 'client', 'http', 'kernel', 'redis', 'testing'];

/** How a room is called in its own names: `createCache`, `CacheOptions`, `cacheDefaults`, `CacheRoom`. */
const nouns: Readonly<Record<RoomName, string>> = {
  cache: 'Cache',
  db: 'Database',
  realtime: 'Realtime',
  limits: 'Limits',
  jobs: 'Jobs',
  overload: 'Overload',
  health: 'Health',
  metrics: 'Metrics',
  lifecycle: 'Lifecycle',
};

/** The driver that each room has beside memory. Health asks others' checks; lifecycle and overload stand on the process itself. */
const drivers: Readonly<Partial<Record<RoomName, string>>> = {
  cache: 'redis',
  db: 'pg',
  realtime: 'redis',
  limits: 'redis',
  jobs: 'redis',
  metrics: 'prometheus',
};

const small = (name: string): string => name[0]?.toLowerCase() + name.slice(1);
const codeOf = (noun: string): string => noun.toUpperCase();
/** In the room that is named after its metrics, `metrics.ts` is the manager. */
const instrumentsFile = (room: RoomName): string => (room === 'metrics' ? 'instruments' : 'metrics');

function shapeOf(room: RoomName): string[] {
  const files = ['index', 'create', room, 'options', 'ports', 'errors', instrumentsFile(room)];
  const driver = drivers[room];
  return [...files, ...(driver === undefined ? [] : ['drivers/memory', `drivers/${driver}`])];
}

const namesOf = (declarations: readonly Declaration[], kind?: Declaration['kind']): string[] =>
  declarations.filter((one) => kind === undefined || one.kind === kind).map(({ name }) => name);

const load = (path: string): Promise<Record<string, unknown>> => import(join(root, path));

/** The parts of a value that could be changed. */
function thawed(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const parts = Object.entries(value).flatMap(([key, part]) => thawed(part, `${path}.${key}`));
  return Object.isFrozen(value) ? parts : [path, ...parts];
}

it('core holds the rooms and the floors they stand on, nothing else', () => {
  const folders = readdirSync(join(root, core), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  expect(folders.filter((folder) => !floors.includes(folder)).sort()).toEqual([...rooms].sort());
});

describe.each(rooms)('the room %s', (room) => {
  const noun = nouns[room];
  const at = (file: string): string => `${core}/${room}/${file}.ts`;
  const files = sources(`${core}/${room}`);

  it('has the files that every room has', () => {
    expect(shapeOf(room).filter((file) => !files.includes(at(file)))).toEqual([]);
  });

  it('has one index.ts, and scripts only beside the driver that runs them', () => {
    const barrels = files.filter((path) => path.endsWith('/index.ts') && path !== at('index'));
    const scripts = filesIn(`${core}/${room}`).filter((path) => path.endsWith('.lua'));
    expect(barrels).toEqual([]);
    expect(scripts.filter((path) => !path.startsWith(`${core}/${room}/drivers/lua/`))).toEqual([]);
  });

  it('is a subpath export of its own', () => {
    expect(Object.keys(manifest.exports)).toContain(`./${room}`);
  });

  it('index.ts: re-exports by name, and nothing else', () => {
    const others = parse(at('index')).statements.filter(
      (statement) =>
        !ts.isExportDeclaration(statement) ||
        statement.exportClause === undefined ||
        !ts.isNamedExports(statement.exportClause),
    );
    expect(others.map((statement) => statement.getText())).toEqual([]);
    const outside = importsOf(at('index')).filter(
      ({ specifier }) => !/^\.\/(?!drivers\/)[a-z/-]+\.js$/.test(specifier),
    );
    expect(outside.map(({ specifier }) => specifier)).toEqual([]);
  });

  it('index.ts: shows the factory, the room, its options, defaults, instruments, and every error', () => {
    const shown = importsOf(at('index')).flatMap(({ names }) => names);
    const due = [
      ...[`create${noun}`, `${noun}Wiring`, noun, `${noun}Options`],
      ...[`${small(noun)}Defaults`, `${small(noun)}Instruments`],
      ...namesOf(declarationsOf(at('errors')), 'class'),
    ];
    expect(due.filter((name) => !shown.includes(name))).toEqual([]);
  });

  it('create.ts: one factory, what it may be given, and what the memory driver shares', () => {
    const forTests = `compose${noun}`; // the same, with rules that a test replaces
    const made = namesOf(declarationsOf(at('create'))).filter((name) => name !== forTests);
    expect(made.sort()).toEqual([`${noun}Wiring`, `create${noun}`].sort());
    expect(importsOf(at('index')).flatMap(({ names }) => names)).not.toContain(forTests);
    const passedOn = importsOf(at('create')).filter(({ isReExport }) => isReExport);
    expect(new Set(passedOn.map(({ to }) => to))).toEqual(
      new Set(drivers[room] === undefined ? [] : [at('drivers/memory')]),
    );
  });

  it('create.ts: is the only one who knows drivers', () => {
    const outsiders = sources(core).filter(
      (path) => path !== at('create') && !path.startsWith(`${core}/${room}/drivers/`),
    );
    const knowing = outsiders.filter((path) =>
      importsOf(path).some(({ to }) => to?.startsWith(`${core}/${room}/drivers/`)),
    );
    expect(knowing.filter((path) => !path.startsWith(`${core}/testing/`))).toEqual([]);
    const known = importsOf(at('create')).map(({ to }) => to);
    const due = shapeOf(room).filter((file) => file.startsWith('drivers/'));
    expect(due.filter((file) => !known.includes(at(file)))).toEqual([]);
  });

  it(`${room}.ts: the manager, which does no I/O, nor does anything outside drivers/`, () => {
    expect(namesOf(declarationsOf(at(room)), 'class')).toContain(`${noun}Room`);
    const doors = /^node:(net|tls|https?|http2|dgram|dns|fs|child_process|cluster|worker_threads)(\/|$)/;
    const reached = files
      .filter((path) => !path.startsWith(`${core}/${room}/drivers/`))
      .flatMap((path) => importsOf(path).map((one) => ({ path, ...one })))
      .filter(({ isType, specifier }) => !isType && doors.test(specifier))
      .map(({ path, specifier }) => `${path} imports ${specifier}`);
    expect(reached).toEqual([]);
  });

  it('options.ts: the options, frozen defaults, one function that checks', async () => {
    const declared = declarationsOf(at('options'));
    const types = [`${noun}Options`, `Resolved${noun}Options`];
    expect(types.filter((name) => !namesOf(declared, 'type').includes(name))).toEqual([]);
    expect(namesOf(declared, 'function')).toEqual([`resolve${noun}Options`]);
    expect(namesOf(declared, 'class')).toEqual([]);
    const constants = namesOf(declared, 'constant');
    expect(constants).toContain(`${small(noun)}Defaults`);
    expect(constants.filter((name) => !name.endsWith('Defaults'))).toEqual([]);
    const module = await load(at('options'));
    expect(constants.flatMap((name) => thawed(module[name], name))).toEqual([]);
  });

  it('ports.ts: types only', () => {
    const ports = files.filter((path) => path.endsWith('/ports.ts'));
    const statements = ports.flatMap((path) => [...parse(path).statements]);
    const others = statements.filter(
      (statement) =>
        !ts.isInterfaceDeclaration(statement) &&
        !ts.isTypeAliasDeclaration(statement) &&
        !(ts.isImportDeclaration(statement) && statement.importClause?.isTypeOnly),
    );
    expect(others.map((statement) => statement.getText())).toEqual([]);
  });

  it('errors.ts: classes of PandoError only, with codes of the room', async () => {
    expect(parse(at('errors')).statements.filter((one) => !ts.isImportDeclaration(one)).length).toBe(
      declarationsOf(at('errors')).length,
    );
    const module = await load(at('errors'));
    const others = Object.entries(module).filter(
      ([, value]) => typeof value !== 'function' || !(value.prototype instanceof PandoError),
    );
    expect(others).toEqual([]);
    const codes = parse(at('errors')).text.match(/'PANDO_[A-Z_]+'/g) ?? [];
    expect(codes.length).toBeGreaterThanOrEqual(Object.keys(module).length);
    expect(codes.filter((code) => !code.startsWith(`'PANDO_${codeOf(room)}_`))).toEqual([]);
  });

  it(`${instrumentsFile(room)}.ts: instruments, as data`, async () => {
    const path = at(instrumentsFile(room));
    expect(namesOf(declarationsOf(path))).toEqual([`${small(noun)}Instruments`]);
    const active: string[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) || ts.isClassLike(node) || ts.isCallOrNewExpression(node))
        active.push(node.getText());
      ts.forEachChild(node, visit);
    };
    visit(parse(path));
    expect(active).toEqual([]);
    const instruments = Object.values((await load(path))[`${small(noun)}Instruments`] as object);
    const named = instruments.filter(({ name }) => name.startsWith(`pando_${room}_`));
    expect(named).toEqual(instruments);
    expect(JSON.parse(JSON.stringify(instruments))).toEqual(instruments);
  });
});

describe.each(Object.entries(drivers))('the drivers of %s', (room, driver) => {
  const suite = `${core}/testing/suites/${room}.ts`;
  const [suiteName = ''] = namesOf(declarationsOf(suite), 'function');

  it('keep their promises in one suite, which is public', () => {
    expect(suiteName).toMatch(/Suite$/);
    const shown = importsOf(`${core}/testing/suites/index.ts`).filter(({ to }) => to === suite);
    expect(shown.flatMap(({ names }) => names)).toContain(suiteName);
  });

  /** The drivers that this test file passes through the suite. */
  const passedIn = (path: string): string[] => {
    if (!callsIn(path).has(suiteName)) return [];
    const own = `${core}/${room}/drivers/`;
    return importsOf(path).flatMap(({ to }) => (to?.startsWith(own) ? [to.slice(own.length, -3)] : []));
  };
  const testsIn = (folder: string): string[] => filesIn(folder).filter((path) => path.endsWith('.test.ts'));

  it('in memory passes it beside its code', () => {
    expect(passedIn(`${core}/${room}/drivers/memory.test.ts`)).toContain('memory');
  });

  it('beside it passes it on what it really speaks to', () => {
    // prom-client lives in this process; the others speak to a server.
    const folder = driver === 'prometheus' ? `${core}/${room}/drivers` : `test/integration/${room}`;
    expect(testsIn(folder).flatMap(passedIn)).toContain(driver);
  });
});
