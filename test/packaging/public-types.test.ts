import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { entryPoints, PublicProgram } from './reference/program.js';

const program = new PublicProgram();
/** The declarations as they are published, by source. */
const declarations = new Map<string, ts.SourceFile>();
beforeAll(() => {
  program.program.emit(
    undefined,
    (path, text, _mark, _error, sources) => {
      const source = sources?.[0];
      if (source === undefined || !path.endsWith('.d.ts')) return;
      const parsed = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
      declarations.set(program.pathOf(source), parsed);
    },
    undefined,
    true,
  );
});

/** Every node of a kind, with the declaration that it stands in. */
function nodesOf(source: ts.SourceFile, kind: ts.SyntaxKind): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (node.kind === kind && !isRest(node.parent)) found.push(node.parent.getText().slice(0, 100));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** `(...args: any[]) => …`, the way to say "any function at all" in a constraint. */
const isRest = (node: ts.Node): boolean =>
  ts.isArrayTypeNode(node) && ts.isParameter(node.parent) && !!node.parent.dotDotDotToken;

describe('the public types', () => {
  it('are declared for every module', () => {
    expect(entryPoints.filter(({ file }) => !declarations.has(file))).toEqual([]);
    expect(declarations.size).toBeGreaterThan(100);
  });

  it('never say any, neither written nor inferred', () => {
    const found = [...declarations].flatMap(([file, source]) =>
      nodesOf(source, ts.SyntaxKind.AnyKeyword).map((where) => `${file}: ${where}`),
    );
    expect(found).toEqual([]);
  });

  it('would be caught saying it', () => {
    const sample = 'export declare const anything: { readonly inside: Promise<any> };';
    const source = ts.createSourceFile('sample.d.ts', sample, ts.ScriptTarget.ES2023, true);
    expect(nodesOf(source, ts.SyntaxKind.AnyKeyword)).toHaveLength(1);
  });

  it('export by name only', () => {
    const defaults = entryPoints.filter((entry) => program.exportsOf(entry).has('default'));
    expect(defaults).toEqual([]);
  });

  it('say of every export what it is', () => {
    const silent = entryPoints.flatMap((entry) =>
      [...program.exportsOf(entry)]
        .filter(([, symbol]) => program.paragraphsOf(symbol).length === 0)
        .map(([name]) => `${entry.specifier} ${name}`),
    );
    expect(silent).toEqual([]);
  });
});
