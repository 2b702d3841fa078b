/** One event of a server-sent event stream. */
export interface SseEvent {
  /** The event's type; absent: `message`. */
  readonly event?: string | undefined;
  /** Becomes the client's `Last-Event-ID`; an empty one leaves it as it is. */
  readonly id?: string | undefined;
  readonly data: string;
}

const lineBreak = /\r\n|[\r\n]/;

/**
 * Encodes one event. Whatever `data` holds, it stays data: line breaks split it into several `data:` lines,
 * and the client joins them again with LF.
 *
 * @throws TypeError when the type or id holds CR, LF or NUL: a client could read something else into them.
 */
export function formatSseEvent({ event, id, data }: SseEvent): string {
  let text = '';
  if (event !== undefined) text += `event: ${singleLine(event)}\n`;
  if (id) text += `id: ${singleLine(id)}\n`;
  // The space matters: one leading space of a value is dropped by the client.
  const lines = lineBreak.test(data) ? data.split(lineBreak).join('\ndata: ') : data;
  return `${text}data:${lines === '' ? '' : ` ${lines}`}\n\n`;
}

/** Tells the client how long to wait before it connects again. */
export function formatSseRetry(delayMs: number): string {
  return `retry: ${Math.round(delayMs)}\n\n`;
}

/** Ignored by clients; keeps the connection from looking idle. */
export const sseHeartbeat = ':\n\n';

function singleLine(text: string): string {
  if (/[\r\n\0]/.test(text))
    throw new TypeError(`An SSE field must not hold CR, LF or NUL, got ${JSON.stringify(text)}.`);
  return text;
}
