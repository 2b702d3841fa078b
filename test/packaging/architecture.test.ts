import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { importsOf, originsIn, parse, sources } from './source-graph.js';
import { filesIn, root } from './workspace.js';

const core = 'packages/core/src';
const document = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
const all = sources(
  core,
  'packages/express-adapter/src',
  'packages/fastify-adapter/src',
  'examples/blog-api/src',
);

describe('floors', () => {
  const block = /```floors\n([\s\S]*?)```/.exec(document)?.[1] ?? '';
  /** From the roof down. */
  const lines = block
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/));
  const heightOf = (part: string): number => lines.length - lines.findIndex((line) => line.includes(part));

  /** The part of the house that a file belongs to: its folder in core, or its package. */
  function partOf(path: string): string {
    const [, folder] = /^packages\/core\/src\/([^/]+)\//.exec(path) ?? [];
    if (path.startsWith(core)) return folder ?? 'root';
    return path.split('/')[1] ?? '';
  }

  it('are drawn as they are: every part has its place', () => {
    expect(lines.flat().sort()).toEqual([...new Set(all.map(partOf))].sort());
  });

  it('are entered from above: nothing imports what lies higher, or beside it', () => {
    const violations = all.flatMap((path) =>
      importsOf(path)
        .filter(({ to }) => to !== undefined && partOf(to) !== partOf(path))
        .filter(({ to }) => heightOf(partOf(to as string)) >= heightOf(partOf(path)))
        .map(({ to }) => `${path} imports ${to}`),
    );
    expect(violations).toEqual([]);
  });

  it('resolve: every import of ours leads to a file', () => {
    const lost = all.flatMap((path) =>
      importsOf(path)
        .filter(({ to }) => to !== undefined && !existsSync(join(root, to)))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(lost).toEqual([]);
  });
});

it('no import leads back to where it came from, types included', () => {
  const cycles: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const way: string[] = [];
  const visit = (path: string): void => {
    state.set(path, 'open');
    way.push(path);
    for (const { to } of importsOf(path)) {
      if (to === undefined || !to.endsWith('.ts')) continue;
      if (state.get(to) === 'open') cycles.push([...way.slice(way.indexOf(to)), to].join(' → '));
      else if (state.get(to) === undefined) visit(to);
    }
    way.pop();
    state.set(path, 'done');
  };
  for (const path of all) if (state.get(path) === undefined) visit(path);
  expect(cycles).toEqual([]);
});

it('no file of core is longer than 400 lines', () => {
  const long = filesIn(core)
    .filter((path) => /\.(ts|lua)$/.test(path) && !/\.test(-d)?\.ts$/.test(path))
    .map((path) => ({ path, lines: readFileSync(join(root, path), 'utf8').split('\n').length - 1 }))
    .filter(({ lines }) => lines > 400);
  expect(long).toEqual([]);
});

/** The lines on which something is done: no comment, no blank, no import, no type. */
function codeLinesOf(path: string): number {
  const source = parse(path);
  const lines = new Set<number>();
  const mark = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node))
      return;
    if (ts.isExportDeclaration(node) || ts.isTypeNode(node)) return;
    const children = node.getChildren(source).filter((child) => !ts.isJSDoc(child));
    if (children.length > 0) {
      for (const child of children) mark(child);
      return;
    }
    const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
    const last = source.getLineAndCharacterOfPosition(node.getEnd()).line;
    for (let line = first; node.getWidth(source) > 0 && line <= last; line++) lines.add(line);
  };
  for (const statement of source.statements) mark(statement);
  return lines.size;
}

it('code is told from comments, types and blank lines', () => {
  expect(codeLinesOf('packages/express-adapter/src/types.ts')).toBe(0);
  expect(codeLinesOf('packages/express-adapter/src/index.ts')).toBe(0);
  const { text } = parse('packages/express-adapter/src/route-label.ts');
  const written = text.split('\n').filter((line) => /\S/.test(line) && !/^\s*(\/?\*|\/\/)/.test(line)).length;
  const counted = codeLinesOf('packages/express-adapter/src/route-label.ts');
  expect(counted).toBeLessThan(written); // it has types, too
  expect(counted).toBeGreaterThan(written / 2);
});

it.each(['express-adapter', 'fastify-adapter'])('%s is under 300 lines of code', (adapter) => {
  const lines = sources(`packages/${adapter}/src`).reduce((sum, path) => sum + codeLinesOf(path), 0);
  expect(lines).toBeGreaterThan(50);
  expect(lines).toBeLessThan(300);
});

describe('walks', () => {
  interface Step {
    readonly path: string;
    readonly through: string | undefined;
    readonly wiredBy: string | undefined;
  }
  const inCore = (path: string): string => (path.startsWith('packages/') ? path : `${core}/${path}`);
  const mark = (word: string, text: string): string | undefined => {
    const [, path] = new RegExp(`^${word} \`([^\`]+)\``).exec(text) ?? [];
    return path && inCore(path);
  };
  /** `1. \`file\`, through \`port\`: what happens` */
  const stepOf = (text: string): Step => {
    const [, path = '', rest = ''] = /^`([^`]+)`(?:, ([^:]*))?: /.exec(text) ?? [];
    return { path: inCore(path), through: mark('through', rest), wiredBy: mark('wired by', rest) };
  };
  const section = /## Walks\n([\s\S]*?)\n## /.exec(document)?.[1] ?? '';
  const walks = section
    .split('\n### ')
    .slice(1)
    .map((text) => {
      const [name = ''] = text.split('\n');
      const steps = [...text.matchAll(/^\d+\. ([\s\S]*?)(?=^\d+\. |^$|(?![\s\S]))/gm)];
      return { name, steps: steps.map(([, step = '']) => stepOf(step.replace(/\s+/g, ' '))) };
    });

  /** Whether a composition root makes what a file holds: itself, or by the factory of a room. */
  const wires = (composer: string, path: string): boolean =>
    composer === path ||
    [...originsIn(composer)].some(
      (origin) => origin === path || (isFactory(origin) && originsIn(origin).has(path)),
    );
  const isFactory = (path: string): boolean => path.endsWith('/create.ts');

  /** How a step is reached from those before it; undefined when it is not. */
  function leadOf({ path, through, wiredBy }: Step, before: readonly string[]): string | undefined {
    const known = (file: string): boolean =>
      before.some((earlier) => earlier === file || originsIn(earlier).has(file));
    if (through !== undefined) return known(through) && originsIn(path).has(through) ? 'port' : undefined;
    if (wiredBy !== undefined) return wires(wiredBy, path) ? 'wiring' : undefined;
    if (before.some((earlier) => originsIn(earlier).has(path))) return 'import';
    // The composition root itself: called by what it has registered with a room of the walk.
    return path === `${core}/pando.ts` && before.some((earlier) => wires(path, earlier))
      ? 'wiring'
      : undefined;
  }

  it('are the reads, the write, what follows from it, and the end', () => {
    expect(walks.map(({ name }) => name)).toEqual([
      'A read served from the cache',
      'A read from the database',
      'A write',
      'An invalidation',
      'An event',
      'A shutdown',
    ]);
  });

  describe.each(walks)('$name', ({ steps }) => {
    it('passes at most eight files, which exist, each once', () => {
      const paths = steps.map(({ path }) => path);
      expect(paths.length).toBeGreaterThanOrEqual(6);
      expect(paths.length).toBeLessThanOrEqual(8);
      expect(new Set(paths).size).toBe(paths.length);
      expect(paths.filter((path) => !/\.(ts|lua)$/.test(path) || !existsSync(join(root, path)))).toEqual([]);
    });

    it('goes from each file to the next by an import, a port or the wiring', () => {
      const unreached = steps.slice(1).filter(
        (step, index) =>
          !leadOf(
            step,
            steps.slice(0, index + 1).map(({ path }) => path),
          ),
      );
      expect(unreached).toEqual([]);
    });
  });

  it('a step that nobody calls, or that knows no such port, is noticed', () => {
    const before = [`${core}/http/door.ts`];
    const port = { path: `${core}/cache/shelf.ts`, through: `${core}/db/ports.ts`, wiredBy: undefined };
    expect(leadOf({ ...port, through: undefined }, before)).toBeUndefined();
    expect(leadOf(port, before)).toBeUndefined();
    expect(leadOf({ ...port, through: undefined, wiredBy: `${core}/pando.ts` }, before)).toBeUndefined();
  });
});

it('names only files that are there', () => {
  const named = [...document.matchAll(/`([a-z./-]+\/[a-z0-9./-]+\.(?:ts|lua))`/g)].map(
    ([, path = '']) => path,
  );
  const isThere = (path: string): boolean =>
    [path, `${core}/${path}`].some((candidate) => existsSync(join(root, candidate)));
  expect(named.filter((path) => !isThere(path))).toEqual(['drivers/memory.ts']);
});
