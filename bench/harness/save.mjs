import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const page = new URL('../../docs/reference/benchmarks.md', import.meta.url);
const title = `# Benchmarks

The latest figures of each room, as \`npm run bench -- <room> --save\` has written them. [How we measure](../explanation/how-we-measure.md)
says what a row is, what it does not say, and how to repeat it.
`;

/** Replaces the section of one room in the page of results; the other rooms keep theirs. */
export function saveSection(room, markdown) {
  const text = existsSync(page) ? readFileSync(page, 'utf8') : title;
  writeFileSync(page, withSection(text, room, markdown));
}

/** The page with this section in the place of the room's former one, or behind all others. */
export function withSection(text, room, markdown) {
  const [head, ...sections] = text.split(/^(?=## )/m);
  const heading = `## ${room}\n`;
  const section = `${heading}\n${markdown.trimEnd()}\n`;
  const at = sections.findIndex((other) => other.startsWith(heading));
  if (at === -1) sections.push(section);
  else sections[at] = section;
  return `${[head, ...sections].map((part) => part.trim()).join('\n\n')}\n`;
}
