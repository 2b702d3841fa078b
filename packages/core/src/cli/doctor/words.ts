const units = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

/** `67108864` is `67 MB`. */
export function bytes(count: number): string {
  let [value, unit] = [count, 0];
  for (; value >= 1_000 && unit < units.length - 1; unit++) value /= 1_000;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `2` and `instance` is `2 instances`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** `0.93` is `93 %`. */
export function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

/** Where a URL leads, without its credentials: a host and a port, or a socket; what is no URL is told by that alone. */
export function placeOf(url: string, defaultPort: number): string {
  if (!URL.canParse(url)) return '(no URL)';
  const { protocol, hostname, port, pathname, searchParams } = new URL(url);
  const given = protocol.startsWith('postgres') ? searchParams.get('host') : undefined;
  const name = decoded(protocol === 'unix:' ? pathname : given || hostname || 'localhost');
  return name.startsWith('/') ? name : `${name}:${port || defaultPort}`;
}

/** What others said, without what a URL hides: some servers repeat what they did not understand, passwords too. */
export function withoutSecrets(text: string, url: string): string {
  if (!URL.canParse(url)) return text;
  const { password, searchParams } = new URL(url);
  const secrets = [password, decoded(password), searchParams.get('password') ?? ''];
  return secrets
    .filter((secret) => secret !== '')
    .reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `6.2.14` as numbers; what is missing is 0. */
export function versionOf(text: string): readonly [major: number, minor: number] {
  const [major = 0, minor = 0] = text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  return [major, minor];
}

/** Whether a version is the given one or a later one. */
export function isAtLeast(text: string, [major, minor]: readonly [major: number, minor: number]): boolean {
  const [ownMajor, ownMinor] = versionOf(text);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
