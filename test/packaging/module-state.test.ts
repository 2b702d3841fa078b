import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { PublicProgram } from './reference/program.js';

const program = new PublicProgram();

/** Something at the top of a module that could change, and so be shared by all kits of a process. */
interface Suspect {
  readonly file: string;
  readonly name: string;
  readonly why: string;
}

/** What functions made once for a module, looked at by hand: none of it changes. */
const reviewed: Readonly<Record<string, string>> = {
  'packages/core/src/cache/drivers/redis.ts beginScript': 'a script and its name',
  'packages/core/src/cache/drivers/redis.ts followScript': 'a script and its name',
  'packages/core/src/cache/drivers/redis.ts invalidateScript': 'a script and its name',
  'packages/core/src/cache/drivers/redis.ts logScript': 'a script and its name',
  'packages/fastify-adapter/src/pando-fastify.ts pandoFastify': 'a function with the marks of a plugin',
};

const mutators = /^(set|add|delete|clear|push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin)$/;

/** Everything at the top of a module that is reassigned, written to, or an object that changes from within. */
function suspectsIn(source: ts.SourceFile, checker: ts.TypeChecker, file: string): Suspect[] {
  const suspects: Suspect[] = [];
  const tops = new Map<ts.Symbol, string>();
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const isConst = (statement.declarationList.flags & ts.NodeFlags.Const) !== 0;
    for (const declaration of statement.declarationList.declarations) {
      const name = declaration.name.getText();
      if (!isConst) suspects.push({ file, name, why: 'it can be assigned to' });
      const made = declaration.initializer && madeFrom(declaration.initializer, checker);
      if (made !== undefined) suspects.push({ file, name, why: made });
      const symbol = checker.getSymbolAtLocation(declaration.name);
      if (symbol !== undefined) tops.set(symbol, name);
    }
  }
  const visit = (node: ts.Node): void => {
    const written = writtenBy(node);
    const symbol = written && checker.getSymbolAtLocation(written);
    const name = symbol && tops.get(symbol);
    if (name !== undefined)
      suspects.push({ file, name, why: `it is written to: ${node.getText().slice(0, 60)}` });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return suspects;
}

/** Types whose objects do not change, or that nobody here writes to. */
const lasting = /^(Readonly(Set|Map)?<|RegExp$|readonly |unique symbol|Buffer|string|number|boolean)/;

/** Why the value of a constant may change; undefined when nobody could change it. */
function madeFrom(value: ts.Expression, checker: ts.TypeChecker): string | undefined {
  if (!ts.isNewExpression(value) && !ts.isCallExpression(value)) return undefined;
  if (value.expression.getText() === 'Object.freeze') return undefined;
  const declaration = value.parent as ts.VariableDeclaration;
  const declared = declaration.type?.getText() ?? checker.typeToString(checker.getTypeAtLocation(value));
  return lasting.test(declared) ? undefined : `it is a ${declared}`;
}

/** The name whose value a node changes: `x = …`, `x.y = …`, `x[y] = …`, `x++`, `delete x.y`, `x.set(…)`. */
function writtenBy(node: ts.Node): ts.Identifier | undefined {
  if (ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind)) return rootOf(node.left);
  if (ts.isDeleteExpression(node)) return rootOf(node.expression);
  if (ts.isPostfixUnaryExpression(node)) return rootOf(node.operand);
  if (ts.isPrefixUnaryExpression(node) && /^(\+\+|--)/.test(node.getText())) return rootOf(node.operand);
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { expression, name } = node.expression;
    if (mutators.test(name.text)) return rootOf(expression);
    if (expression.getText() === 'Object' && name.text === 'assign' && node.arguments[0])
      return rootOf(node.arguments[0]);
  }
  return undefined;
}

const isAssignment = (kind: ts.SyntaxKind): boolean =>
  kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;

function rootOf(node: ts.Expression): ts.Identifier | undefined {
  if (ts.isIdentifier(node)) return node;
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node))
    return rootOf(node.expression);
  return undefined;
}

/** A module that exists in memory only. */
function compiled(code: string): { readonly source: ts.SourceFile; readonly checker: ts.TypeChecker } {
  const options: ts.CompilerOptions = { target: ts.ScriptTarget.ES2023, lib: ['lib.es2023.d.ts'], types: [] };
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getSourceFile = (path, ...rest) =>
    path === 'sample.ts'
      ? ts.createSourceFile(path, code, ts.ScriptTarget.ES2023, true)
      : getSourceFile(path, ...rest);
  const alone = ts.createProgram(['sample.ts'], options, host);
  return { source: alone.getSourceFile('sample.ts') as ts.SourceFile, checker: alone.getTypeChecker() };
}

const ours = program.sources.filter(
  (source) => !program.pathOf(source).includes('/testing/') && !source.fileName.includes('arbitrary'),
);

describe('no state in modules', () => {
  it('nothing at the top of a module changes', () => {
    expect(ours.length).toBeGreaterThan(100);
    const suspects = ours.flatMap((source) => suspectsIn(source, program.checker, program.pathOf(source)));
    const key = ({ file, name }: Suspect): string => `${file} ${name}`;
    expect(suspects.filter((suspect) => reviewed[key(suspect)] === undefined)).toEqual([]);
    const present = new Set(suspects.map(key));
    expect(Object.keys(reviewed).filter((name) => !present.has(name))).toEqual([]);
  });

  it('would be found, however it is hidden', () => {
    const code = `
      let count = 0;
      const seen = new Map<string, number>();
      const list: string[] = [];
      const table: Record<string, number> = {};
      const made = makeSomething();
      declare function makeSomething(): { n: number };
      export function use(): void { list.push('x'); table.x = 1; count++; seen.set('x', 1); }
      const lasting: ReadonlySet<string> = new Set(['x']);
      const frozen = Object.freeze({ x: 1 });
      export const read = () => [lasting, frozen, made];
    `;
    const { source, checker } = compiled(code);
    const names = suspectsIn(source, checker, 'sample').map(({ name }) => name);
    expect([...new Set(names)].sort()).toEqual(['count', 'list', 'made', 'seen', 'table']);
  });

  it('classes have no static fields that change', () => {
    const found: string[] = [];
    for (const source of ours) {
      const visit = (node: ts.Node): void => {
        if (ts.isPropertyDeclaration(node) && has(node, ts.SyntaxKind.StaticKeyword)) {
          if (!has(node, ts.SyntaxKind.ReadonlyKeyword))
            found.push(`${program.pathOf(node)}: ${node.name.getText()}`);
        }
        ts.forEachChild(node, visit);
      };
      visit(source);
    }
    expect(found).toEqual([]);
  });

  it('nothing global is changed', () => {
    const found: string[] = [];
    const globals = /^(globalThis|global|process\.env|Object\.prototype|Array\.prototype|Promise|Symbol)\b/;
    for (const source of ours) {
      const visit = (node: ts.Node): void => {
        const isWrite = ts.isBinaryExpression(node) && isAssignment(node.operatorToken.kind);
        if (isWrite && globals.test(node.left.getText()))
          found.push(`${program.pathOf(node)}: ${node.getText()}`);
        ts.forEachChild(node, visit);
      };
      visit(source);
    }
    expect(found).toEqual([]);
  });
});

const has = (node: ts.PropertyDeclaration, kind: ts.SyntaxKind): boolean =>
  node.modifiers?.some((modifier) => modifier.kind === kind) ?? false;
