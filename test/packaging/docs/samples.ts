import { dirname, join } from 'node:path';
import ts from 'typescript';
import { root } from '../workspace.js';
import { type Page, partsOf } from './pages.js';

/*
 * Each block is a module of its own. It sees, beside what it imports, what the reader has already: the exports of
 * given.ts, what the page's `<!-- given … -->` comments declare, and what earlier blocks of the page export. What a block
 * declares itself wins. A first line such as `// server.ts` names the module, so that later blocks can import it.
 */

/** Something the compiler says against a block. */
export interface Complaint {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** A module made of a block. */
interface Module {
  readonly file: string;
  readonly source: string;
  /** Where its second line stands; the first is made up. */
  readonly path: string;
  readonly line: number;
}

/** The names a block may use without importing them: where each comes from, and whether it is only a type. */
type Scope = Map<string, { readonly from: string; readonly isType: boolean }>;

/** What the compiler knows of some pages. */
export interface Compiled {
  /** What it says against their blocks. */
  readonly complaints: readonly Complaint[];
  /** Whether `Named` in given.ts has such a member: `db.pool.size`. */
  hasMember(path: string): boolean;
}

const languages: Readonly<Record<string, string>> = {
  ts: 'ts',
  js: 'js',
  typescript: 'ts',
  javascript: 'js',
};
const here = join(root, 'test/packaging');
const given = join(here, 'given.ts');

/** Compiles every TypeScript and JavaScript block of the pages, all in one program. */
export function compile(pages: readonly Page[]): Compiled {
  const modules = new Map(pages.flatMap(modulesOf).map((module) => [module.file, module]));
  const program = programOf(modules);
  return {
    complaints: [...modules.values()].flatMap((module) => complaintsAbout(module, program)),
    hasMember: (path) => hasMember(program, path.split('.')),
  };
}

function complaintsAbout({ file, path, line }: Module, program: ts.Program): readonly Complaint[] {
  const source = program.getSourceFile(file);
  const found = [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source).filter(({ code }) => !isForgiven(code, file)),
  ];
  return found.map(({ start = 0, messageText }) => ({
    path,
    line: line + (source?.getLineAndCharacterOfPosition(start).line ?? 1) - 1,
    message: ts.flattenDiagnosticMessageText(messageText, '\n'),
  }));
}

/** A block may be the body of a function. And JavaScript says no types: that it leaves some implicit is no fault. */
function isForgiven(code: number, file: string): boolean {
  const strayReturn = 1_108;
  return code === strayReturn || (file.endsWith('js') && code >= 7_000 && code <= 7_999);
}

/** Options are unions of what they may be: a name is known if one of the alternatives has it. */
function hasMember(program: ts.Program, names: readonly string[]): boolean {
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(given);
  const named = file?.statements.find(
    (statement) => ts.isTypeAliasDeclaration(statement) && statement.name.text === 'Named',
  ) as ts.TypeAliasDeclaration;
  let types: readonly ts.Type[] = [checker.getTypeAtLocation(named.name)];
  for (const name of names) {
    types = types
      .flatMap((type) => (type.isUnion() ? type.types : [type]))
      .flatMap((type) => checker.getPropertyOfType(checker.getApparentType(type), name) ?? [])
      .map((member) => checker.getTypeOfSymbol(member));
  }
  return types.length > 0;
}

function modulesOf(page: Page): readonly Module[] {
  const { blocks, givens } = partsOf(page);
  const scope: Scope = new Map();
  if (page.path.endsWith('.ts')) {
    // An example in a comment sees what stands around it.
    addExports(scope, join(root, page.path));
  }
  addExports(scope, given);
  const modules: Module[] = [];
  const ordered = [
    ...givens.map((block) => ({ ...block, isGiven: true })),
    ...blocks.map((block) => ({ ...block, isGiven: false })),
  ].sort((a, b) => a.line - b.line);
  for (const { language, code, line, isGiven } of ordered) {
    const extension = languages[language];
    if (extension === undefined) continue;
    const [, name = `line-${line}.${extension}`] =
      /^\/\/ ([\w-]+\.m?[jt]s)$/.exec(code.split('\n', 1)[0] ?? '') ?? [];
    const file = join(here, '.blocks', page.path, name);
    const source = `${importsFor(code, scope)}\n${isGiven ? exportAll(code) : code}\nexport {};\n`;
    modules.push({ file, source, path: page.path, line });
    addExports(scope, file, source);
  }
  return modules;
}

/** Imports what the code names and does not declare. */
function importsFor(code: string, scope: Scope): string {
  const own = new Set(declarationsOf(parse('own.ts', code)).map(({ name }) => name));
  const imports = [...scope]
    .filter(([name]) => !own.has(name) && new RegExp(`(?<![.\\w$])${name}(?![\\w$])`).test(code))
    .map(
      ([name, { from, isType }]) =>
        `import ${isType ? 'type ' : ''}{ ${name} } from ${JSON.stringify(from)};`,
    );
  return imports.join(' ');
}

/** Makes all declarations exported ones. */
function exportAll(code: string): string {
  const names = declarationsOf(parse('given.ts', code)).filter(({ isImport }) => !isImport);
  const list = names.map(({ name, isType }) => `${isType ? 'type ' : ''}${name}`).join(', ');
  return `${code}\nexport { ${list} };`;
}

function addExports(scope: Scope, file: string, source = ts.sys.readFile(file) ?? ''): void {
  const from = file.replace(/\.ts$/, '.js');
  const parsed = parse(file, source);
  for (const { name, isType, isImport, isExported } of declarationsOf(parsed)) {
    if (isExported && !isImport) scope.set(name, { from, isType });
  }
}

/** A name at the top level of a module. */
interface Declared {
  readonly name: string;
  readonly isType: boolean;
  readonly isImport: boolean;
  readonly isExported: boolean;
}

function declarationsOf(file: ts.SourceFile): readonly Declared[] {
  const declared: Declared[] = [];
  const listed = new Set<string>();
  for (const statement of file.statements) {
    const isExported =
      ts.canHaveModifiers(statement) &&
      (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    const add = (name: ts.Node | undefined, isType = false, isImport = false): void => {
      if (name !== undefined) declared.push({ name: name.getText(file), isType, isImport, isExported });
    };
    if (ts.isVariableStatement(statement)) {
      for (const { name } of statement.declarationList.declarations)
        for (const leaf of leavesOf(name)) add(leaf);
    } else if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      add(statement.name);
    } else if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) {
      add(statement.name, true);
    } else if (ts.isImportDeclaration(statement)) {
      const { name, namedBindings } = statement.importClause ?? {};
      add(name, false, true);
      if (namedBindings !== undefined && ts.isNamedImports(namedBindings)) {
        for (const element of namedBindings.elements) add(element.name, false, true);
      } else {
        add(namedBindings?.name, false, true);
      }
    } else if (
      ts.isExportDeclaration(statement) &&
      statement.exportClause !== undefined &&
      ts.isNamedExports(statement.exportClause)
    ) {
      for (const { name } of statement.exportClause.elements) listed.add(name.text);
    }
  }
  return declared.map((item) => (listed.has(item.name) ? { ...item, isExported: true } : item));
}

function* leavesOf(name: ts.BindingName): Generator<ts.Identifier> {
  if (ts.isIdentifier(name)) return void (yield name);
  for (const element of name.elements) if (ts.isBindingElement(element)) yield* leavesOf(element.name);
}

function parse(file: string, source: string): ts.SourceFile {
  return ts.createSourceFile(file, source, ts.ScriptTarget.ES2023, true);
}

/** One program for all modules: most of the time goes into the libraries' types, which they share. */
function programOf(modules: ReadonlyMap<string, Module>): ts.Program {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config.config, include: [], files: [] },
    ts.sys,
    root,
  );
  // Some blocks are for browsers.
  const lib = [...(options.lib ?? []), 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'];
  const settings = { ...options, lib, allowJs: true, checkJs: true };
  const host = ts.createCompilerHost(settings);
  const { fileExists, readFile, directoryExists } = host;
  const folders = new Set([...modules.keys()].map((file) => dirname(file)));
  host.fileExists = (path) => modules.has(path) || fileExists(path);
  host.readFile = (path) => modules.get(path)?.source ?? readFile(path);
  host.directoryExists = (path) => folders.has(path) || directoryExists?.(path) === true;
  const lua = join(root, 'packages/core/src/lua.d.ts');
  return ts.createProgram([...modules.keys(), given, lua], settings, host);
}
