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

/** Where a URL leads, without its credentials; what is no URL is told by that alone. */
export function placeOf(url: string, defaultPort: number): string {
  if (!URL.canParse(url)) return '(no URL)';
  const { hostname, port } = new URL(url);
  return `${hostname || 'localhost'}:${port || defaultPort}`;
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
