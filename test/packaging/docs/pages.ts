import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesIn, published, root } from '../workspace.js';

/** A text with code in it: a Markdown page, or a source file whose comments hold examples. */
export interface Page {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Code between fences. */
export interface Block {
  /** What stands behind the opening fence: `ts`, `sh`, … */
  readonly language: string;
  readonly code: string;
  /** Line of the page on which the code begins, counted from 1. */
  readonly line: number;
}

/** A line of prose outside blocks and comments. */
export interface Prose {
  readonly text: string;
  readonly line: number;
}

/** A page taken apart. */
export interface Parts {
  readonly blocks: readonly Block[];
  /** `<!-- given … -->`: declarations of what the reader's app has already. Not shown to readers. */
  readonly givens: readonly Block[];
  readonly prose: readonly Prose[];
}

const fence = /^(\s*)(```+)\s*(\S*)\s*$/;

/** Takes a page apart, line by line. */
export function partsOf({ text }: Page): Parts {
  const blocks: Block[] = [];
  const givens: Block[] = [];
  const prose: Prose[] = [];
  const lines = text.split('\n');
  let index = 0;
  /** The lines up to one that ends a part, without the indentation of its beginning. */
  const take = (indent: string, isEnd: (line: string) => boolean): string => {
    const taken: string[] = [];
    while (index < lines.length && !isEnd(lines[index] as string)) {
      taken.push((lines[index++] as string).slice(indent.length));
    }
    index++;
    return taken.join('\n');
  };
  while (index < lines.length) {
    const text = lines[index++] as string;
    const line = index + 1;
    const [, indent = '', ticks, language = ''] = fence.exec(text) ?? [];
    if (ticks !== undefined) {
      blocks.push({ language, line, code: take(indent, (end) => end.trim() === ticks) });
    } else if (text === '<!-- given') {
      givens.push({ language: 'ts', line, code: take('', (end) => end === '-->') });
    } else {
      prose.push({ text, line: line - 1 });
    }
  }
  return { blocks, givens, prose };
}

/** Every Markdown page of the repository. */
export function markdownPages(): readonly Page[] {
  const folders = ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => `${folder}/${name}/README.md`),
  );
  return [
    ...readdirSync(root).filter((name) => name.endsWith('.md')),
    ...filesIn('docs').filter((path) => path.endsWith('.md')),
    ...folders.filter((path) => existsSync(join(root, path))),
  ].map(readPage);
}

/** Every source file of the published packages whose comments hold code. */
export function documentedSources(): readonly Page[] {
  return published
    .flatMap((name) => filesIn(`packages/${name}/src`))
    .filter((path) => path.endsWith('.ts') && !/\.test(-d)?\.ts$/.test(path))
    .map(readPage)
    .filter(({ text }) => /^\s*\* ```/m.test(text))
    .map(({ path, text }) => ({ path, text: commentsOf(text) }));
}

/** The comments of a source file, each line at its place; all else is left empty. */
function commentsOf(source: string): string {
  return source
    .split('\n')
    .map((line) => /^\s*\* ?(.*)$/.exec(line)?.[1] ?? '')
    .join('\n');
}

export function readPage(path: string): Page {
  return { path, text: readFileSync(join(root, path), 'utf8') };
}
