import ts from 'typescript';
import { linked, page, table } from './markdown.js';
import { entryPoints, type PublicProgram } from './program.js';

/** One class of errors, as its source describes it. */
export interface ErrorEntry {
  readonly code: string;
  readonly name: string;
  readonly file: string;
  /** The modules that export the class. */
  readonly exportedFrom: readonly string[];
  readonly when: string;
  readonly advice: string;
  /** The message, its variable parts in angle brackets; undefined where each place writes its own. */
  readonly message: string | undefined;
  readonly retryable: string;
  readonly status: string | undefined;
}

/** The classes that only others extend. */
const bases = ['PandoError', 'PandoOptionsError', 'HttpError', 'LimitError'];

/** Every class of errors with a code of its own, in order of code. */
export function errorsOf(program: PublicProgram): readonly ErrorEntry[] {
  const exported = new Map<ts.Symbol, string[]>();
  for (const entry of entryPoints) {
    for (const symbol of program.exportsOf(entry).values()) {
      exported.set(symbol, [...(exported.get(symbol) ?? []), entry.specifier]);
    }
  }
  return errorClasses(program)
    .filter(({ name }) => name !== undefined && !bases.includes(name.text))
    .map((node) => describe(program, node, exported))
    .sort((a, b) => (a.code < b.code ? -1 : 1));
}

/** Every class below PandoError, itself included. */
export function errorClasses(program: PublicProgram): readonly ts.ClassDeclaration[] {
  const found: ts.ClassDeclaration[] = [];
  for (const source of program.sources) {
    ts.forEachChild(source, (node) => {
      if (
        ts.isClassDeclaration(node) &&
        lineage(program, node).some(({ name }) => name?.text === 'PandoError')
      )
        found.push(node);
    });
  }
  return found;
}

/** A class and those that it extends, itself first. */
function lineage(program: PublicProgram, node: ts.ClassDeclaration): readonly ts.ClassDeclaration[] {
  const [parent] = node.heritageClauses?.find(isExtends)?.types ?? [];
  if (parent === undefined) return [node];
  const symbol = program.checker.getSymbolAtLocation(parent.expression);
  const declaration = symbol && program.resolve(symbol).valueDeclaration;
  if (declaration === undefined || !ts.isClassDeclaration(declaration)) return [node];
  return [node, ...lineage(program, declaration)];
}

const isExtends = ({ token }: ts.HeritageClause): boolean => token === ts.SyntaxKind.ExtendsKeyword;

function describe(
  program: PublicProgram,
  node: ts.ClassDeclaration,
  exported: ReadonlyMap<ts.Symbol, readonly string[]>,
): ErrorEntry {
  const symbol = program.checker.getSymbolAtLocation(node.name as ts.Identifier) as ts.Symbol;
  const said = (key: string): ts.Expression | undefined => {
    for (const one of lineage(program, node)) {
      const value = initOf(one)?.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const code = said('code');
  const [when = '', ...advice] = program.paragraphsOf(symbol);
  return {
    code: code !== undefined && ts.isStringLiteral(code) ? code.text : '',
    name: symbol.name,
    file: program.pathOf(node),
    exportedFrom: exported.get(symbol) ?? [],
    when,
    advice: advice.join(' '),
    message: template(said('message')),
    retryable: retryable(said('retryable')),
    status: said('status')?.getText(),
  };
}

/** What a constructor hands to `super({ … })`, by name. */
function initOf(node: ts.ClassDeclaration): ReadonlyMap<string, ts.Expression> | undefined {
  let found: Map<string, ts.Expression> | undefined;
  const visit = (child: ts.Node): void => {
    if (ts.isCallExpression(child) && child.expression.kind === ts.SyntaxKind.SuperKeyword) {
      for (const argument of child.arguments) {
        if (!ts.isObjectLiteralExpression(argument)) continue;
        found ??= new Map();
        for (const property of argument.properties) {
          if (ts.isPropertyAssignment(property)) found.set(property.name.getText(), property.initializer);
        }
      }
    }
    ts.forEachChild(child, visit);
  };
  visit(node);
  return found;
}

function retryable(value: ts.Expression | undefined): string {
  if (value === undefined || value.kind === ts.SyntaxKind.FalseKeyword) return 'no';
  return value.kind === ts.SyntaxKind.TrueKeyword ? 'yes' : 'depends';
}

/** The text of a message with its variable parts in angle brackets; undefined for one that is put together elsewhere. */
function template(value: ts.Expression | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (ts.isStringLiteralLike(value)) return value.text;
  if (ts.isBinaryExpression(value)) {
    const [left, right] = [template(value.left), template(value.right)];
    return left === undefined || right === undefined ? undefined : left + right;
  }
  if (ts.isConditionalExpression(value)) return template(value.whenFalse); // the usual case comes second
  if (!ts.isTemplateExpression(value)) return undefined;
  return (
    value.head.text +
    value.templateSpans.map((span) => variable(span.expression) + span.literal.text).join('')
  );
}

function variable(expression: ts.Expression): string {
  if (ts.isIdentifier(expression)) return template(initializerOf(expression)) ?? `<${expression.text}>`;
  if (ts.isPropertyAccessExpression(expression)) return `<${expression.name.text}>`;
  if (ts.isCallExpression(expression) && expression.arguments[0] !== undefined) {
    if (expression.expression.getText().startsWith('retryAfter')) return '<seconds>';
    return variable(expression.arguments[0]);
  }
  return template(expression) ?? '<…>';
}

/** What a name in a constructor stands for, where it was given a value just before. */
function initializerOf(name: ts.Identifier): ts.Expression | undefined {
  let found: ts.Expression | undefined;
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === name.text) found = node.initializer;
    ts.forEachChild(node, visit);
  };
  let scope: ts.Node = name;
  while (!ts.isConstructorDeclaration(scope) && scope.parent !== undefined) scope = scope.parent;
  if (ts.isConstructorDeclaration(scope)) visit(scope);
  return found;
}

const rooms: Readonly<Record<string, string>> = {
  CACHE: 'Cache',
  CLIENT: 'Client',
  DB: 'Database',
  HEALTH: 'Health',
  HTTP: 'HTTP',
  LIFECYCLE: 'Lifecycle',
  LIMITS: 'Limits',
  JOBS: 'Jobs',
  METRICS: 'Metrics',
  OVERLOAD: 'Overload',
  REALTIME: 'Realtime',
  REDIS: 'Redis',
  TESTING: 'Testing',
};

/** The room in a code; undefined for what belongs to the kit as a whole. */
export function roomOf(code: string): string | undefined {
  return rooms[code.split('_')[1] ?? ''];
}

/** The page of all errors. */
export function errorsPage(errors: readonly ErrorEntry[], optionCodes: readonly string[]): string {
  const headings = ['Kit', ...Object.values(rooms)];
  const byRoom = headings.map((heading) => ({
    heading,
    entries: errors.filter(({ code }) => (roomOf(code) ?? 'Kit') === heading),
  }));
  return page(
    '# Errors',
    'Every error that Pando throws or rejects with is a `PandoError`: it has a `code` that never changes its meaning, ' +
      '`retryable` (whether the same call may succeed later, without a change by you), often a `status` (what an ' +
      'adapter answers when nobody has handled it; without one, your framework answers 500), and the `cause`. ' +
      'Refusals that you must expect, such as a limit that is used up, are values, not errors, until an adapter turns ' +
      'them into an answer.',
    "```ts\nimport { isPandoError } from '@pando/core';\n\n" +
      "if (isPandoError(error, 'PANDO_DB_POOL_OVERLOADED')) return shedLoad();\n" +
      'if (isPandoError(error) && error.retryable) return tryLater();\nthrow error;\n```',
    '`isPandoError` also knows errors of a second copy of the library in the process, where `instanceof` does not.',
    '## All codes',
    table(
      ['Code', 'Class', 'HTTP', 'Retry'],
      errors.map(({ code, name, status = '', retryable: retry }) => [
        `[\`${code}\`](#${code.toLowerCase()})`,
        `\`${name}\``,
        status,
        retry === 'no' ? '' : retry,
      ]),
    ),
    '## Options',
    'A wrong option is refused before anything is opened, with `PandoOptionsError` from `@pando/core`. The message names ' +
      'the option by its path, and the nearest name or value; the code says whose options they are: ' +
      `${optionCodes.map((code) => `\`${code}\``).join(', ')}. All options are in [options.md](options.md).`,
    '```text\n' +
      'cache.ttlMs must be a positive number of milliseconds, got "5m". Did you mean 300000?\n' +
      'unknown option "replica" in db. Did you mean "replicas"?\n```',
    ...byRoom.flatMap(({ heading, entries }) =>
      entries.length === 0 ? [] : [`## ${heading}`, ...entries.map(section)],
    ),
  );
}

function section({
  code,
  name,
  exportedFrom,
  when,
  advice,
  message,
  retryable: retry,
  status,
}: ErrorEntry): string {
  const facts = [
    `\`${name}\` from ${exportedFrom.map((specifier) => `\`${specifier}\``).join(' or ')}`,
    status === undefined ? '' : `HTTP ${status}`,
    { yes: 'retryable', no: 'not retryable', depends: 'retryable in some cases' }[retry] ?? '',
  ];
  return [
    `### ${code}`,
    `${facts.filter((fact) => fact !== '').join(' · ')}`,
    linked(when),
    `**What to do.** ${linked(advice)}`,
    ...(message === undefined ? [] : [`\`\`\`text\n${message}\n\`\`\``]),
  ].join('\n\n');
}
