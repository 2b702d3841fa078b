import ts from 'typescript';
import { errorClasses } from './errors.js';
import type { PublicProgram } from './program.js';

/** A place that throws or rejects with an error that is none of Pando's. */
export interface PlainThrow {
  readonly file: string;
  readonly what: string;
}

/** Every `throw new …` and `reject(new …)` of another class than those below PandoError. */
export function plainThrows(program: PublicProgram): readonly PlainThrow[] {
  const ours = new Set(
    errorClasses(program).map(({ name }) => name && program.checker.getSymbolAtLocation(name)),
  );
  const found: PlainThrow[] = [];
  for (const source of program.sources) {
    const visit = (node: ts.Node): void => {
      const thrown = thrownBy(node);
      if (thrown !== undefined) {
        const symbol = program.checker.getSymbolAtLocation(thrown.expression);
        if (symbol === undefined || !ours.has(program.resolve(symbol))) {
          found.push({ file: program.pathOf(node), what: thrown.expression.getText() });
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return found;
}

/** The `new …` that a statement throws or a call rejects with. */
function thrownBy(node: ts.Node): ts.NewExpression | undefined {
  let value: ts.Expression | undefined;
  if (ts.isThrowStatement(node)) value = node.expression;
  else if (ts.isCallExpression(node) && /(^|\.)reject$/.test(node.expression.getText()))
    [value] = node.arguments;
  if (value === undefined) return undefined;
  return ts.isNewExpression(value) ? value : undefined;
}

/** The names of error classes that the documentation of a public module mentions, with where it does. */
export function mentionedErrors(
  program: PublicProgram,
  exported: ReadonlyMap<string, ts.Symbol>,
): ReadonlyMap<string, string> {
  const mentions = new Map<string, string>();
  for (const symbol of exported.values()) {
    for (const declaration of symbol.declarations ?? []) {
      const visit = (node: ts.Node): void => {
        for (const comment of ts.getJSDocCommentsAndTags(node)) {
          for (const [, name = ''] of comment.getText().matchAll(/(?:`|@link )([A-Z]\w+Error)\b/g)) {
            mentions.set(name, `${symbol.name} in ${program.pathOf(declaration)}`);
          }
        }
        if (!ts.isBlock(node)) ts.forEachChild(node, visit);
      };
      visit(declaration);
    }
  }
  return mentions;
}
