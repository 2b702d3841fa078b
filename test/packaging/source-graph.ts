import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';
import { filesIn, root } from './workspace.js';

/** One import or re-export of a module, as the compiler reads it. */
export interface Import {
  readonly specifier: string;
  /** The file of ours that it names, relative to the root; undefined for packages. */
  readonly to: string | undefined;
  /** What is imported by name; `*` for everything. */
  readonly names: readonly string[];
  /** Whether nothing of it is left when the program runs. */
  readonly isType: boolean;
  readonly isReExport: boolean;
}

const parsed = new Map<string, ts.SourceFile>();

/** A module as the compiler sees it. */
export function parse(path: string): ts.SourceFile {
  let source = parsed.get(path);
  if (source === undefined) {
    const text = readFileSync(join(root, path), 'utf8');
    source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
    parsed.set(path, source);
  }
  return source;
}

/** Everything that is shipped or run as part of the library and its example: no tests, no type tests. */
export function sources(...folders: readonly string[]): string[] {
  return folders
    .flatMap((folder) => filesIn(folder))
    .filter((path) => /\.ts$/.test(path) && !/\.(test|test-d|d)\.ts$/.test(path));
}

/** All that a module imports, dynamically and by type included. */
export function importsOf(path: string): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node, names: readonly string[], isType = false, isReExport = false): void => {
    if (!ts.isStringLiteralLike(specifier)) return;
    const to = fileOf(path, specifier.text);
    found.push({ specifier: specifier.text, to, names, isType, isReExport });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const { importClause: clause } = node;
      const elements = bound(clause?.namedBindings);
      const names = [...(clause?.name ? ['default'] : []), ...elements.map(({ name }) => name)];
      const isType = clause?.isTypeOnly || (elements.length > 0 && elements.every((one) => one.isType));
      add(node.moduleSpecifier, names, isType && clause?.name === undefined);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      const elements = bound(node.exportClause);
      const isType = node.isTypeOnly || (elements.length > 0 && elements.every((one) => one.isType));
      add(node.moduleSpecifier, elements.length > 0 ? elements.map(({ name }) => name) : ['*'], isType, true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      if (node.arguments[0] !== undefined) add(node.arguments[0], ['*']);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, ['*'], true);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(path));
  return found;
}

type Bindings = ts.NamedImportBindings | ts.NamedExportBindings | undefined;

/** The names on the other side of an import or re-export. */
function bound(bindings: Bindings): { readonly name: string; readonly isType: boolean }[] {
  if (bindings === undefined) return [];
  if (!ts.isNamedImports(bindings) && !ts.isNamedExports(bindings)) return [{ name: '*', isType: false }];
  return [...bindings.elements].map(({ name, propertyName, isTypeOnly }) => ({
    name: (propertyName ?? name).text,
    isType: isTypeOnly,
  }));
}

/** The source that a specifier stands for. */
function fileOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    const path = posix.join(dirname(from), specifier);
    return [path.replace(/\.js$/, '.ts'), path].find((file) => existsSync(join(root, file))) ?? path;
  }
  const [, name, subpath = ''] = /^@pando\/([a-z-]+)((?:\/[a-z]+)*)$/.exec(specifier) ?? [];
  return name && `packages/${name}/src${subpath}/index.ts`;
}

/** The file in which a module's export is written down, through whatever re-exports it. */
function originOf(path: string, name: string): string {
  if (!path.endsWith('.ts') || !existsSync(join(root, path))) return path;
  for (const statement of parse(path).statements) {
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier === undefined) continue;
    const { exportClause } = statement;
    if (exportClause === undefined || !ts.isNamedExports(exportClause)) continue;
    const element = exportClause.elements.find((one) => one.name.text === name);
    if (element === undefined || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const next = fileOf(path, statement.moduleSpecifier.text);
    return next === undefined ? path : originOf(next, (element.propertyName ?? element.name).text);
  }
  return path;
}

/** The files in which what a module imports is written down. */
export function originsIn(path: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { to, names } of importsOf(path)) {
    if (to === undefined) continue;
    for (const name of names.length > 0 ? names : ['default']) found.add(originOf(to, name));
  }
  return found;
}

/** What a module itself writes down and exports. */
export interface Declaration {
  readonly name: string;
  readonly kind: 'class' | 'function' | 'constant' | 'type';
  readonly node: ts.Node;
}

/** What a module exports that it does not have from others. */
export function declarationsOf(path: string): readonly Declaration[] {
  return parse(path).statements.flatMap((node): Declaration[] => {
    if (!ts.canHaveModifiers(node)) return [];
    if (!ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    if (ts.isVariableStatement(node)) {
      const { declarations } = node.declarationList;
      return declarations.map((one) => ({ name: one.name.getText(), kind: 'constant', node: one }));
    }
    if (ts.isClassDeclaration(node)) return [{ name: node.name?.text ?? 'default', kind: 'class', node }];
    if (ts.isFunctionDeclaration(node))
      return [{ name: node.name?.text ?? 'default', kind: 'function', node }];
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node))
      return [{ name: node.name.text, kind: 'type', node }];
    throw new Error(`${path} exports something of another kind: ${node.getText().slice(0, 80)}`);
  });
}

/** The functions, by name, that a module calls. */
export function callsIn(path: string): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) found.add(node.expression.text);
    ts.forEachChild(node, visit);
  };
  visit(parse(path));
  return found;
}
