/** The first line of every generated page. */
export const generated =
  '<!-- Written by `npm run reference` from the source. Do not edit: change the documentation comments there. -->';

/** A table; a column in which every cell is empty is left out. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const filled = head.map((_, column) => rows.some((row) => row[column] !== ''));
  const line = (cells: readonly string[]): string =>
    `| ${cells
      .filter((_, column) => filled[column])
      .map(cell)
      .join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** A page of blocks, with a blank line between them. */
export function page(...blocks: readonly (string | readonly string[])[]): string {
  return `${[generated, ...blocks.flat()].filter((block) => block !== '').join('\n\n')}\n`;
}

/** The anchor that GitHub gives to a heading. */
export function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

/** `24_000` of the source for people: 24 000 with a narrow space that does not break. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** Names of pages of the documentation become links, seen from docs/reference. */
export function linked(text: string): string {
  return text.replace(/(?<![`\w/])docs\/([\w/-]+\.md)/g, (path, rest: string) => `[${path}](../${rest})`);
}
