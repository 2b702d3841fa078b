import type { OptionsReader } from '../kernel/options.js';

/** What services that know nothing of Pando tell one another, and what is made of it. */
export interface InteropOptions {
  /** Where they tell it: a channel of Redis Pub/Sub, named as it is here, without a prefix. @defaultValue `'cache_invalidation'` */
  readonly channel?: string | undefined;
  /** Whether what others tell invalidates here, in the whole fleet. @defaultValue `true` */
  readonly accept?: boolean | undefined;
  /** Whether others are told what was invalidated here. @defaultValue `true` */
  readonly send?: boolean | undefined;
  /**
   * The tags that a message invalidates; none for one that means nothing here. Must not throw.
   * @defaultValue `type:id` of `{ "resource_type": "type", "resource_id": id }`
   */
  readonly tagsOf?: ((message: unknown) => readonly string[]) | undefined;
  /**
   * What others are told when a tag was invalidated; `undefined` for what is none of their business. Must not throw.
   * @defaultValue `{ "resource_type": "type", "resource_id": "id" }` for tags of the form `type:id`
   */
  readonly messageOf?: ((tag: string) => object | undefined) | undefined;
}

/** {@link InteropOptions} with every default filled in. */
export interface ResolvedInteropOptions {
  readonly channel: string;
  readonly accept: boolean;
  readonly send: boolean;
  readonly tagsOf: (message: unknown) => readonly string[];
  readonly messageOf: (tag: string) => object | undefined;
}

/** The defaults. */
export const interopDefaults = Object.freeze({
  channel: 'cache_invalidation',
  accept: true,
  send: true,
  tagsOf: resourceTags,
  messageOf: resourceMessage,
} satisfies ResolvedInteropOptions);

/** Reads the option; undefined where there is none, or `false`. */
export function readInterop(cache: OptionsReader): ResolvedInteropOptions | undefined {
  if (cache.any('interop') === undefined) return undefined;
  const reader = cache.nestedOrFalse('interop');
  if (reader === false) return undefined;
  const resolved = {
    channel: reader.string('channel', interopDefaults.channel),
    accept: reader.boolean('accept', interopDefaults.accept),
    send: reader.boolean('send', interopDefaults.send),
    tagsOf: reader.fn<ResolvedInteropOptions['tagsOf'], ResolvedInteropOptions['tagsOf']>(
      'tagsOf',
      interopDefaults.tagsOf,
    ),
    messageOf: reader.fn<ResolvedInteropOptions['messageOf'], ResolvedInteropOptions['messageOf']>(
      'messageOf',
      interopDefaults.messageOf,
    ),
  };
  reader.done();
  return resolved;
}

/** Longer ones are not from anybody who tells of a single resource. */
const MAX_MESSAGE_BYTES = 65_536;

/** What somebody has told; undefined for what is no message. */
export function parseMessage(payload: Buffer): object | undefined {
  if (payload.length > MAX_MESSAGE_BYTES) return undefined;
  try {
    const message: unknown = JSON.parse(payload.toString('utf8'));
    return typeof message === 'object' && message !== null ? message : undefined;
  } catch {
    return undefined;
  }
}

function resourceTags(message: unknown): readonly string[] {
  const { resource_type: type, resource_id: id } = message as Readonly<Record<string, unknown>>;
  const isNamed = typeof type === 'string' && type !== '';
  const isIdentified = (typeof id === 'string' && id !== '') || Number.isSafeInteger(id);
  return isNamed && isIdentified ? [`${type}:${id}`] : [];
}

function resourceMessage(tag: string): object | undefined {
  const [, type, id] = /^([\w.-]+):(.+)$/s.exec(tag) ?? [];
  return type === undefined ? undefined : { resource_type: type, resource_id: id };
}
