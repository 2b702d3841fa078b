import ts from 'typescript';
import { anchor, grouped, linked, page, table } from './markdown.js';
import type { NumberRule, OptionEntry, OptionsLevel } from './options.js';
import { callOptions } from './options-sections.js';
import type { PublicProgram } from './program.js';

/** The page of all options. */
export function optionsPage(program: PublicProgram, levels: readonly OptionsLevel[]): string {
  const roots = levels.filter((level) => level.path === level.section.path);
  return page(
    '# Options',
    'Every option with its default, and what it takes. The ranges are those that the library enforces: a test asks it for ' +
      'each one. Wrong options are refused at once, before anything is opened, with a `PandoOptionsError` that names the ' +
      'option, its unit, and the nearest name where one is unknown.',
    'Durations are in milliseconds and end with `Ms`, sizes in bytes with `Bytes`, shares from 0 to 1 with `Ratio`. ' +
      '`false` switches off; leaving out, or `undefined`, means the default.',
    roots.map(({ section }) => `- [${section.title}](#${anchor(section.title)})`).join('\n') +
      `\n- [For one call](#${anchor('For one call')})`,
    ...levels.flatMap((level) => {
      const isRoot = level.path === level.section.path;
      return [
        isRoot ? `## ${level.section.title}` : `### ${level.path}`,
        linked(level.description),
        table(
          ['Option', 'Type', 'Default', 'Takes', 'Meaning'],
          level.entries.map((entry) => row(entry)),
        ),
      ];
    }),
    '## For one call',
    'Options that go along with a call. TypeScript checks their names; the calls are too hot to do so again, so a misspelt ' +
      'one from JavaScript is ignored. The helpers for tests check theirs.',
    ...callOptions.flatMap(([title, file, name]) => [`### ${title}`, callTable(program, file, name)]),
  );
}

function row(entry: OptionEntry): readonly string[] {
  return [
    `\`${entry.path}\``,
    `\`${entry.type}\``,
    defaultText(entry.isRequired, entry.documentedDefault),
    takes(entry),
    linked(entry.description),
  ];
}

function callTable(program: PublicProgram, file: string, name: string): string {
  const type = program.checker.getDeclaredTypeOfSymbol(program.declared(file, name));
  return table(
    ['Option', 'Type', 'Default', 'Meaning'],
    program.checker
      .getPropertiesOfType(type)
      .map((member) => [
        `\`${member.name}\``,
        `\`${typeText(program, member)}\``,
        defaultText((member.flags & ts.SymbolFlags.Optional) === 0, program.tagOf(member, 'defaultValue')),
        linked(program.paragraphsOf(member).join(' ')),
      ]),
  );
}

function defaultText(isRequired: boolean, documented: string | undefined): string {
  return isRequired ? '*required*' : (documented ?? '');
}

/** What goes without saying beside the type. */
const plain = /^(a non-empty string|true or false|a function|an object(, or false)?|one of ".*)$/;

function takes({ must = '', number }: OptionEntry): string {
  if (number !== undefined) return rangeText(number);
  return plain.test(must) ? '' : must;
}

function rangeText({ unit, min, max, above }: NumberRule): string {
  const shown = { ms: 'ms', bytes: 'bytes', 'whole number': '', number: '' }[unit];
  const range =
    min !== undefined && max !== undefined
      ? `${grouped(min)} to ${grouped(max)}`
      : min === undefined
        ? ''
        : `${above === true ? '>' : '≥'} ${grouped(min)}`;
  return [range, shown].filter((part) => part !== '').join(' ');
}

/** The type as the source writes it, without the `| undefined` that every optional member has. */
export function typeText(program: PublicProgram, member: ts.Symbol): string {
  const declaration = member.declarations?.[0];
  if (declaration === undefined || ts.isMethodSignature(declaration)) return 'function';
  if (!ts.isPropertySignature(declaration) || declaration.type === undefined) return '';
  const { type } = declaration;
  const parts = ts.isUnionTypeNode(type)
    ? type.types.filter(({ kind }) => kind !== ts.SyntaxKind.UndefinedKeyword)
    : [type];
  return parts
    .map((part) => shortText(program, part))
    .join(' | ')
    .replace(/\s+/g, ' ');
}

function shortText(program: PublicProgram, node: ts.TypeNode): string {
  if (ts.isParenthesizedTypeNode(node)) return shortText(program, node.type);
  if (ts.isFunctionTypeNode(node)) return 'function';
  if (ts.isTypeLiteralNode(node)) return 'object';
  if (!ts.isTypeReferenceNode(node)) return node.getText();
  if (node.typeName.getText() === 'InKit') return node.typeArguments?.[0]?.getText() ?? '';
  const type = program.checker.getTypeFromTypeNode(node);
  const choices = type.isUnion() ? type.types : [];
  const isClosedSet = choices.length > 0 && choices.every((choice) => choice.isStringLiteral());
  return isClosedSet
    ? choices
        .map((choice) => program.checker.typeToString(choice))
        .join(' | ')
        .replaceAll('"', "'")
    : node.getText();
}
