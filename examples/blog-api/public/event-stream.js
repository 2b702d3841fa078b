// Server-sent events over fetch. EventSource would do; but it hides which instance answers, cannot take its place in the
// stream along when the channels change, and never asks again after some answers.

const silenceMs = 45_000; // the server says something every 15 s

/** A stream that comes back, to whichever instance answers, and goes on where it was. */
export class EventStream {
  #handlers;
  #cursor;
  #retryMs = 1_000;
  #end = new AbortController();

  /** `onState(state, instance)`, `onEvent(type, data)`, and `onStart()`: channels are followed from here on, and nothing is known of before. */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Follows the channels that `url` stands for. Those of before go on without a gap. */
  open(url) {
    this.#end.abort();
    this.#end = new AbortController();
    this.#follow(url, this.#end.signal);
  }

  async #follow(url, signal) {
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#read(url, signal, () => {
          failures = 0;
        });
      } catch {
        failures++;
      }
      if (signal.aborted) return;
      this.#handlers.onState('lost');
      // Ended in order, it comes back when it was told to. Spread out in any case: not everybody at the same instant.
      const delayMs =
        failures === 0 ? this.#retryMs : Math.min(10_000, 100 * 2 ** failures) * (0.5 + Math.random());
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }

  async #read(url, signal, onOpen) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), silenceMs);
    try {
      const response = await fetch(url, {
        headers: { accept: 'text/event-stream', ...(this.#cursor && { 'last-event-id': this.#cursor }) },
        cache: 'no-store',
        signal: AbortSignal.any([signal, silence.signal]),
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      onOpen();
      this.#isFirstCursor = true;
      this.#handlers.onState('live', response.headers.get('x-pando-instance'));
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ''; ; ) {
        const { done, value } = await reader.read();
        if (done || signal.aborted) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), silenceMs);
        const blocks = (text + value).split('\n\n');
        text = blocks.pop();
        for (const block of blocks) this.#take(block);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #isFirstCursor = true;
  #hasNews = false;

  #take(block) {
    const {
      event = 'message',
      id,
      retry,
      data,
    } = Object.fromEntries(
      block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    );
    if (retry !== undefined) this.#retryMs = Number(retry);
    if (id !== undefined) this.#cursor = id;
    if (event !== 'cursor') {
      if (data === undefined) return; // a comment
      this.#hasNews = true;
      return this.#handlers.onEvent(event, JSON.parse(data));
    }
    // A cursor comes after what it includes. One that comes after nothing tells where a channel begins; the first may.
    if (this.#isFirstCursor || !this.#hasNews) this.#handlers.onStart();
    this.#isFirstCursor = this.#hasNews = false;
  }
}
