import { join } from 'node:path';
import ts from 'typescript';
import manifest from '../../../packages/core/package.json' with { type: 'json' };
import { root } from '../workspace.js';

/** What a user imports, and the source behind it. */
export interface EntryPoint {
  readonly specifier: string;
  readonly file: string;
}

const core: readonly EntryPoint[] = Object.keys(manifest.exports)
  .filter((subpath) => subpath !== './package.json')
  .map((subpath) => ({
    specifier: subpath.replace('.', '@pando/core'),
    file: `packages/core/src/${subpath === '.' ? '' : `${subpath.slice(2)}/`}index.ts`,
  }));

/** Every module that users can import. */
export const entryPoints: readonly EntryPoint[] = [
  ...core,
  { specifier: '@pando/express-adapter', file: 'packages/express-adapter/src/index.ts' },
  { specifier: '@pando/fastify-adapter', file: 'packages/fastify-adapter/src/index.ts' },
];

/** The public modules as the compiler sees them, with what the sources say about themselves. */
export class PublicProgram {
  readonly program: ts.Program;
  readonly checker: ts.TypeChecker;

  constructor() {
    const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
    const files = [...entryPoints.map(({ file }) => file), 'packages/core/src/lua.d.ts'];
    const rootNames = files.map((file) => join(root, file));
    this.program = ts.createProgram(rootNames, { ...options, noEmit: false, declaration: true });
    this.checker = this.program.getTypeChecker();
  }

  /** Our own modules that the public ones consist of. */
  get sources(): readonly ts.SourceFile[] {
    return this.program
      .getSourceFiles()
      .filter(({ fileName }) => /\/packages\/[^/]+\/src\//.test(fileName) && !fileName.endsWith('.d.ts'));
  }

  /** The modules, relative to the root. */
  pathOf(node: ts.Node): string {
    return node.getSourceFile().fileName.slice(root.length);
  }

  /** What an entry point exports, with aliases followed to their declaration. */
  exportsOf({ file }: EntryPoint): ReadonlyMap<string, ts.Symbol> {
    const source = this.program.getSourceFile(join(root, file));
    const module = source && this.checker.getSymbolAtLocation(source);
    if (module === undefined) throw new Error(`${file} is no module.`);
    return new Map(this.checker.getExportsOfModule(module).map((one) => [one.name, this.resolve(one)]));
  }

  resolve(symbol: ts.Symbol): ts.Symbol {
    return symbol.flags & ts.SymbolFlags.Alias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  /** The type or class of that name in a module. */
  declared(file: string, name: string): ts.Symbol {
    const source = this.program.getSourceFile(join(root, file));
    const module = source && this.checker.getSymbolAtLocation(source);
    const symbol = module && this.checker.getExportsOfModule(module).find((one) => one.name === name);
    if (symbol === undefined) throw new Error(`${file} exports no ${name}.`);
    return this.resolve(symbol);
  }

  /** The paragraphs of a documentation comment, each in one line, without its tags. */
  paragraphsOf(symbol: ts.Symbol): readonly string[] {
    return paragraphs(ts.displayPartsToString(symbol.getDocumentationComment(this.checker)));
  }

  /** The text of a tag of a documentation comment. */
  tagOf(symbol: ts.Symbol, name: string): string | undefined {
    const tag = symbol.getJsDocTags(this.checker).find((one) => one.name === name);
    return tag && paragraphs(ts.displayPartsToString(tag.text)).join(' ');
  }
}

function paragraphs(text: string): readonly string[] {
  return text
    .replace(/\{@link (?:\S+\s*\|\s*)?([^}]+)\}/g, '`$1`')
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s+/g, ' ').trim())
    .filter((paragraph) => paragraph !== '');
}
