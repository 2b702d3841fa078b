/** Hears an event of a stream, of which `id` is what it names itself, or when to come back. */
export type SseListener = (type: string, data: string, id: string | undefined) => void;

/** Reads the text of an event stream, however it is cut (HTML standard, 9.2.6): returns what takes the next piece. */
export function parseEvents(
  onEvent: SseListener,
  onRetry: (delayMs: number) => void,
): (text: string) => void {
  let rest = '';
  let event: { event?: string; id?: string; data?: string; [field: string]: string | undefined } = {};
  return (text) => {
    // A CR at the end may be the first half of a CR LF.
    const lines = (rest + text).split(/\r?\n|\r(?!$)/);
    rest = lines.pop() as string;
    for (const line of lines) {
      const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) as RegExpExecArray;
      if (!line) {
        if (event.data) onEvent(event.event || 'message', event.data.slice(1), event.id);
        event = {};
      } else if (field === 'data') event.data = `${event.data ?? ''}\n${value}`;
      else if (field === 'retry' && /^\d+$/.test(value)) onRetry(+value);
      else if (!value.includes('\0')) event[field as string] = value;
    }
  };
}
