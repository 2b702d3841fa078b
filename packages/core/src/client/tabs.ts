import type { LiveState } from './api.js';
import type { Bus, Environment } from './environment.js';
import type { Ask, Frame } from './frames.js';
import type { Line, LineEvents } from './relay.js';

/** What tabs say to each other. */
type News =
  /** Somebody new is here: who has the connection says so. */
  | { readonly k: 'hello'; readonly from: string }
  /** This tab has the connection, and knows of nothing yet: `to` one tab, or to all. */
  | { readonly k: 'here'; readonly to?: string | undefined; readonly state: LiveState }
  | { readonly k: 'ask'; readonly ask: Ask }
  | { readonly k: 'frame'; readonly frame: Frame }
  | { readonly k: 'state'; readonly state: LiveState }
  | { readonly k: 'connect' };

/** What sharing needs. */
export interface SharedLineInit {
  readonly name: string;
  readonly environment: Environment;
  /** Opens the connection; `cursor` is where another tab's stream was. */
  open(events: LineEvents, cursor: string | undefined): Line;
}

/** One connection for all tabs: the one that holds the lock has it, and the others hear what it hears. */
export class SharedLine implements Line {
  readonly #init: SharedLineInit;
  readonly #events: LineEvents;
  readonly #bus: Bus;
  readonly #end = new AbortController();
  /** The connection, where this tab has it. */
  #own: Line | undefined;
  #state: LiveState = 'connecting';
  #cursor: string | undefined;
  #from = '';
  #isWaiting = false;
  #release: (() => void) | undefined;

  constructor(init: SharedLineInit, events: LineEvents) {
    this.#init = init;
    this.#events = events;
    this.#bus = init.environment.openBus(init.name, (news: News) => this.#hear(news));
  }

  /** Takes its turn for the connection, and asks who has it meanwhile. */
  connect(): void {
    if (this.#own !== undefined) return void this.#own.connect();
    if (this.#isWaiting) return void this.#post({ k: 'connect' });
    this.#isWaiting = true;
    const { lock, random } = this.#init.environment;
    lock?.(this.#init.name, this.#end.signal, () => this.#hold()).catch(() => undefined); // it was closed before
    this.#from = String(random());
    this.#post({ k: 'hello', from: this.#from });
  }

  ask(ask: Ask): void {
    if (this.#own !== undefined) this.#own.ask(ask);
    else this.#post({ k: 'ask', ask });
  }

  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#own?.close();
    this.#release?.(); // another tab takes over
    this.#bus.close();
  }

  /** It has the lock: resolves when it gives it back. */
  #hold(): Promise<void> {
    if (this.#end.signal.aborted) return Promise.resolve();
    const events: LineEvents = {
      ...this.#events,
      frame: (frame) => {
        this.#post({ k: 'frame', frame });
        this.#events.frame(frame);
      },
      state: (state) => {
        this.#state = state;
        if (!this.#end.signal.aborted) this.#post({ k: 'state', state });
        this.#enter(state);
      },
    };
    this.#own = this.#init.open(events, this.#cursor);
    this.#own.connect();
    this.#post({ k: 'here', state: this.#state });
    this.#events.moved();
    return new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  #hear(news: News): void {
    if (this.#own !== undefined) {
      if (news.k === 'ask') this.#own.ask(news.ask);
      else if (news.k === 'connect') this.#own.connect();
      else if (news.k === 'hello') this.#post({ k: 'here', to: news.from, state: this.#state });
      return;
    }
    if (news.k === 'frame') {
      if (news.frame.t === 'cursor') this.#cursor = news.frame.i;
      this.#events.frame(news.frame);
    } else if (news.k === 'state') this.#enter(news.state);
    else if (news.k === 'here' && (news.to === undefined || news.to === this.#from)) {
      this.#enter(news.state);
      this.#events.moved();
    }
  }

  #enter(state: LiveState): void {
    this.#events.state(state);
    if (state === 'closed') this.close(); // for all tabs: the server does not want them
  }

  #post(news: News): void {
    if (!this.#end.signal.aborted) this.#bus.post(news);
  }
}
