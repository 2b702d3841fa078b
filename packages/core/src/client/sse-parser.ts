/** Hears an event of a stream, of which `id` is what it names itself, or when to come back. */
export type SseListener = (type: string, data: string, id: string | undefined) => void;

/** Reads the text of an event stream, however it is cut (HTML standard, 9.2.6): returns what takes the next piece. */
export function parseEvents(
  onEvent: SseListener,
  onRetry: (delayMs: number) => void,
): (text: string) => void {
  let rest = '';
  let endedInCr = false;
  let type = '';
  let id: string | undefined;
  let data: string[] = [];
  return (text) => {
    if (!text) return;
    // Of a CR LF that was cut in two, the first half has ended the line.
    const lines = (rest + (endedInCr ? text.replace(/^\n/, '') : text)).split(/\r\n|[\r\n]/);
    endedInCr = text.endsWith('\r');
    rest = lines.pop() as string;
    for (const line of lines) {
      const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) as RegExpExecArray;
      if (!line) {
        if (data.length > 0) onEvent(type || 'message', data.join('\n'), id);
        type = '';
        id = undefined;
        data = [];
      } else if (field === 'data') data.push(value);
      else if (field === 'event') type = value;
      else if (field === 'id' && !value.includes('\0')) id = value;
      else if (field === 'retry' && /^\d+$/.test(value)) onRetry(+value);
    }
  };
}
