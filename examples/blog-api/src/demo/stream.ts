import { StartError } from '../failure.js';

/** The first event of a stream, and when it came. */
export interface FirstEvent {
  readonly data: string;
  /** By the clock of `performance.now()`. */
  readonly at: number;
}

/** A stream of server-sent events that is open. */
export interface OpenStream {
  readonly first: Promise<FirstEvent>;
  close(): void;
}

const patienceMs = 5_000;

/** Opens a stream; resolves once the server follows its channel. */
export async function openStream(url: string): Promise<OpenStream> {
  const end = new AbortController();
  const tooLate = () => end.abort(new StartError(`nothing came from ${url} within ${patienceMs} ms.`));
  const timer = setTimeout(tooLate, patienceMs);
  const close = () => {
    clearTimeout(timer);
    end.abort();
  };
  const { body } = await fetch(url, { signal: end.signal, headers: { accept: 'text/event-stream' } });
  if (body === null) throw new Error(`${url} has no body.`);
  const blocks = blocksOf(body.pipeThrough(new TextDecoderStream()));
  for await (const block of blocks) if (block.startsWith('event: cursor')) break;
  const first = (async () => {
    for await (const block of blocks) {
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (data !== undefined) return { data, at: performance.now() };
    }
    throw new Error(`${url} ended before an event came.`);
  })();
  first.catch(() => undefined); // whoever awaits it hears of it
  return { first, close };
}

/** The blocks of lines that make up a stream. Breaking off leaves the rest to be read. */
function blocksOf(chunks: ReadableStream<string>): AsyncIterable<string> {
  const reader = chunks.getReader();
  let text = '';
  const next = async (): Promise<IteratorResult<string>> => {
    for (let end = text.indexOf('\n\n'); ; end = text.indexOf('\n\n')) {
      if (end >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        return { done: false, value: block };
      }
      const { done, value } = await reader.read();
      if (done) return { done, value: undefined };
      text += value;
    }
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}
