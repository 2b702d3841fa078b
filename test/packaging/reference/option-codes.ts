import ts from 'typescript';
import type { PublicProgram } from './program.js';

/** The codes of refused options: written out, or made from the first part of the path that `readOptions` is given. */
export function optionCodes(program: PublicProgram): readonly string[] {
  const codes = new Set<string>();
  for (const source of program.sources) {
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteral(node) && /^PANDO_([A-Z]+_)?OPTIONS$/.test(node.text)) codes.add(node.text);
      if (ts.isCallExpression(node) && node.expression.getText() === 'readOptions') {
        const [path] = node.arguments;
        if (path !== undefined && ts.isStringLiteral(path) && path.text !== '') {
          codes.add(`PANDO_${path.text.split('.')[0]?.toUpperCase()}_OPTIONS`);
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return [...codes].sort();
}
