import { readOptions } from '../kernel/options.js';

/** Checks what a route says beside the name of its policy; throws `PandoOptionsError`. */
export function checkLimitOptions(options: unknown, beside: readonly string[] = []): void {
  const reader = readOptions('http.limit', options);
  for (const key of beside) reader.any(key);
  reader.fn('key', undefined);
  const cost = reader.any('cost');
  if (
    typeof cost !== 'function' &&
    cost !== undefined &&
    !(Number.isSafeInteger(cost) && Number(cost) >= 1)
  ) {
    reader.fail('cost', 'a positive whole number, or a function');
  }
  reader.done();
}
