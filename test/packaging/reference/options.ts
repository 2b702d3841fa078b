import ts from 'typescript';
import { isPandoError } from '../../../packages/core/src/kernel/errors.js';
import { typeText } from './options-page.js';
import { type Options, type OptionsSection, optionsSections } from './options-sections.js';
import type { PublicProgram } from './program.js';

/** A number that an option takes. */
export interface NumberRule {
  readonly unit: 'ms' | 'bytes' | 'whole number' | 'number';
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Whether `min` itself is too small. */
  readonly above?: boolean;
}

/** One option, as its type declares it and its reader checks it. */
export interface OptionEntry {
  readonly path: string;
  readonly key: string;
  readonly level: OptionsLevel;
  readonly type: string;
  readonly isRequired: boolean;
  readonly description: string;
  /** What the source says in `@defaultValue`: code between backticks, or words. */
  readonly documentedDefault: string | undefined;
  /** What applies in truth. */
  readonly defaultValue: unknown;
  /** Has a value of it read at its place, among what its reader needs beside it. */
  read(value: unknown): unknown;
  /** What the reader says that it must be; undefined where the reader leaves that to others. */
  readonly must: string | undefined;
  readonly number: NumberRule | undefined;
}

/** The options of one object: the root of a section, or an object inside. */
export interface OptionsLevel {
  readonly section: OptionsSection;
  readonly path: string;
  readonly description: string;
  readonly entries: readonly OptionEntry[];
  /** The names that the reader knows. */
  readonly known: readonly string[];
  /** Has these options read at their place. */
  read(options: Options): unknown;
}

const nonsense = Symbol('nonsense');
const unheardOf = '~'.repeat(40);

/** The message of a refusal; undefined when the options are accepted. */
export async function refusalOf(read: () => unknown): Promise<string | undefined> {
  try {
    await read();
    return undefined;
  } catch (error) {
    if (isPandoError(error) && error.code.endsWith('OPTIONS')) return error.message;
    if (isPandoError(error, 'PANDO_HTTP_LISTEN')) return undefined; // accepted, and nowhere to listen
    throw error;
  }
}

/** Walks a section's type and asks its reader about every member. */
export class OptionsWalk {
  readonly #program: PublicProgram;
  readonly #section: OptionsSection;
  readonly levels: OptionsLevel[] = [];

  constructor(program: PublicProgram, section: OptionsSection) {
    this.#program = program;
    this.#section = section;
  }

  async walk(): Promise<readonly OptionsLevel[]> {
    const [file, name] = this.#section.type;
    const symbol = this.#program.declared(file, name);
    const type = this.#program.checker.getDeclaredTypeOfSymbol(symbol);
    await this.#level(type, {
      path: this.#section.path,
      description: this.#section.intro,
      defaults: this.#section.defaults,
      place: (options) => options,
    });
    return this.levels;
  }

  async #level(type: ts.Type, at: Place): Promise<void> {
    const entries: OptionEntry[] = [];
    const read = (options: Options): unknown =>
      this.#read(at, { ...this.#section.needed?.[at.path], ...options });
    const known = namesIn(await refusalOf(() => read({ [unheardOf]: 1 })));
    const level: OptionsLevel = {
      section: this.#section,
      path: at.path,
      description: at.description,
      entries,
      known,
      read,
    };
    this.levels.push(level);
    for (const member of this.#program.checker.getPropertiesOfType(type)) {
      entries.push(await this.#entry(member, level, at));
    }
    for (const member of this.#program.checker.getPropertiesOfType(type)) {
      if (at.path !== this.#section.path || !this.#section.opaque?.includes(member.name)) {
        await this.#inside(member, at);
      }
    }
  }

  async #entry(member: ts.Symbol, level: OptionsLevel, at: Place): Promise<OptionEntry> {
    const { name: key } = member;
    const path = join(at.path, key);
    const beside = this.#besideOption(at, key);
    const read = (value: unknown): unknown => this.#read(at, { ...beside, [key]: value });
    const must = mustIn(path, await refusalOf(() => read(nonsense)));
    const documented = this.#program.tagOf(member, 'defaultValue');
    return {
      path,
      key,
      level,
      type: typeText(this.#program, member),
      isRequired: (member.flags & ts.SymbolFlags.Optional) === 0,
      description: this.#program.paragraphsOf(member).join(' '),
      documentedDefault: documented,
      defaultValue: at.defaults?.[key],
      read,
      must,
      number: must === undefined ? undefined : numberRule(must),
    };
  }

  #read(at: Place, options: Options): unknown {
    return this.#section.read(at.place(options) as never);
  }

  #besideOption(at: Place, key: string): Options {
    return this.#section.instead?.[join(at.path, key)] ?? this.#section.needed?.[at.path] ?? {};
  }

  /** Goes on with the options inside a member, if there are any. */
  async #inside(member: ts.Symbol, at: Place): Promise<void> {
    const type = this.#program.checker.getTypeOfSymbol(member);
    const shape = this.#optionsIn(type);
    if (shape === undefined) return;
    const key = member.name;
    const suffix = { object: '', list: '[]', record: '.<name>' }[shape.kind];
    const path = join(at.path, key) + suffix;
    const wrap = (options: Options): unknown =>
      ({ object: options, list: [options], record: { name: options } })[shape.kind];
    const defaults =
      at.defaults?.[key + (suffix || '{}')] ?? (shape.kind === 'object' ? at.defaults?.[key] : undefined);
    const parent = this.#besideOption(at, key);
    await this.#level(shape.type, {
      path,
      description:
        this.#program.paragraphsOf(shape.type.symbol).join(' ') ||
        this.#program.paragraphsOf(member).join(' '),
      defaults: defaults as Options | undefined,
      place: (options) => at.place({ ...parent, [key]: wrap(options) }),
    });
  }

  #optionsIn(
    type: ts.Type,
  ): { readonly kind: 'object' | 'list' | 'record'; readonly type: ts.Type } | undefined {
    const parts = type.isUnion() ? type.types : [type];
    for (const part of parts) {
      if (this.#isOptions(part)) return { kind: 'object', type: part };
    }
    for (const part of parts) {
      const element = this.#program.checker.getIndexTypeOfType(part, ts.IndexKind.Number);
      const inList =
        element && this.#program.checker.isArrayLikeType(part) ? this.#optionsIn(element) : undefined;
      if (inList?.kind === 'object') return { kind: 'list', type: inList.type };
      const value = this.#program.checker.getIndexTypeOfType(part, ts.IndexKind.String);
      const inRecord = value && !(part.flags & ts.TypeFlags.StringLike) ? this.#optionsIn(value) : undefined;
      if (inRecord?.kind === 'object') return { kind: 'record', type: inRecord.type };
    }
    return undefined;
  }

  /** An object of ours that holds settings, not one that does something. */
  #isOptions(type: ts.Type): boolean {
    const declaration = type.symbol?.declarations?.[0];
    if (declaration === undefined || !(type.flags & ts.TypeFlags.Object)) return false;
    if (!ts.isInterfaceDeclaration(declaration) && !ts.isTypeLiteralNode(declaration)) return false;
    if (!this.#program.sources.includes(declaration.getSourceFile())) return false;
    return isSettings.test(type.symbol.name);
  }
}

/** Names of types that are options; others, such as `Codec` and `Logger`, are things of the application. */
const isSettings = /(Options|Settings|Paths?|Address|HealthCheck|StreamPresence|__type)$/;

interface Place {
  readonly path: string;
  readonly description: string;
  readonly defaults: Options | undefined;
  /** Puts the options of this level into those of the section. */
  place(options: Options): Options;
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

/** `a whole number from 1 to 65535` out of the message that says so. */
function mustIn(path: string, message: string | undefined): string | undefined {
  const [, must] = /^(?:\S+) must be (.+?)(?:, got [^,]*)?\.$/.exec(message ?? '') ?? [];
  const last = path.split('.').at(-1) ?? '';
  return message?.split(' ')[0]?.endsWith(last) ? must : undefined;
}

function namesIn(message: string | undefined): readonly string[] {
  const [, list] = /Known options: (.*)\.$/.exec(message ?? '') ?? [];
  return list?.split(', ') ?? [];
}

const numberSyntax =
  /^a (positive )?(number of milliseconds|whole number of bytes|whole number|number)(?: from (\S+) to (\S+)| of at least (\S+))?(?:, or false)?$/;

const units: Readonly<Record<string, NumberRule['unit']>> = {
  'number of milliseconds': 'ms',
  'whole number of bytes': 'bytes',
};

function numberRule(must: string): NumberRule | undefined {
  const [, positive, kind, from, to, least] = numberSyntax.exec(must) ?? [];
  if (kind === undefined) return undefined;
  const unit = units[kind] ?? (kind as NumberRule['unit']);
  const min = from ?? least ?? (positive === undefined ? undefined : unit === 'number' ? '0' : '1');
  return {
    unit,
    min: min === undefined ? undefined : Number(min),
    max: to === undefined ? undefined : Number(to),
    ...(positive !== undefined && unit === 'number' ? { above: true } : {}),
  };
}

/** Every level of every section. */
export async function levelsOf(program: PublicProgram): Promise<readonly OptionsLevel[]> {
  const levels: OptionsLevel[] = [];
  for (const section of await optionsSections()) {
    levels.push(...(await new OptionsWalk(program, section).walk()));
  }
  return levels;
}
