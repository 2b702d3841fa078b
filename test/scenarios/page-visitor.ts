import { randomBytes } from 'node:crypto';
import { waitFor } from '@pando/core/testing';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';

/** Somebody at the blog's page, in a browser profile of their own. */
export class Visitor implements AsyncDisposable {
  readonly page: Page;
  /** Exceptions that nobody caught. */
  readonly failures: string[] = [];
  /** What the browser's console shows in red. Requests that an instance took along when it died are among it. */
  readonly complaints: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on('pageerror', (error) => this.failures.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && this.complaints.push(message.text()));
  }

  /** Comes with an empty page. */
  static async come(browser: Browser, options: BrowserContextOptions = {}): Promise<Visitor> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const visitor = new Visitor(context, await context.newPage());
    visitor.page.setDefaultTimeout(20_000);
    return visitor;
  }

  /** Opens the page and resolves when it hears what happens. */
  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visitor> {
    const visitor = await Visitor.come(browser, options);
    await visitor.page.goto(url);
    await visitor.at('live').and(visitor.page.locator('[data-state=live]')).waitFor();
    return visitor;
  }

  at(testId: string): Locator {
    return this.page.locator(`[data-testid=${testId}]`);
  }

  async register(name: string): Promise<void> {
    await this.at('sign-in').click();
    await this.at('account-mode').click();
    await this.at('name').fill(name);
    await this.at('email').fill(`${randomBytes(6).toString('hex')}@example.com`);
    await this.at('password').fill('correct horse');
    await this.at('account-submit').click();
    await this.at('account-form').waitFor({ state: 'hidden' });
    await this.at('sign-out').waitFor();
  }

  /** Publishes a post, which is then open. */
  async publish(title: string, body: string): Promise<void> {
    await this.at('write').click();
    await this.at('title').fill(title);
    await this.at('body').fill(body);
    await this.at('publish').click();
    await this.at('editor-form').waitFor({ state: 'hidden' });
    await this.at('open-title').getByText(title, { exact: true }).waitFor();
  }

  /** Opens a post of the list, once it is there. */
  async open(title: string): Promise<void> {
    await this.at('post-item').getByText(title, { exact: true }).click();
    await this.at('open-title').getByText(title, { exact: true }).waitFor();
  }

  comment(text: string): Promise<void> {
    return this.#send('comment', text);
  }

  say(text: string): Promise<void> {
    return this.#send('chat', text);
  }

  async texts(testId: string, part = ''): Promise<string[]> {
    return this.page.locator(`[data-testid=${testId}] ${part}`).allTextContents();
  }

  comments(): Promise<string[]> {
    return this.texts('comment', '.said');
  }

  chat(): Promise<string[]> {
    return this.texts('chat-line', '.said');
  }

  readers(): Promise<string> {
    return this.#text('readers');
  }

  /** The instance that its stream of events is on. */
  streamedBy(): Promise<string> {
    return this.#text('stream-instance');
  }

  /** Notes from now on what the page says of its connection; resolves to the notes so far. */
  watchConnection(): Promise<() => Promise<readonly string[]>> {
    return this.watch('live-text');
  }

  /** Notes each new text of a place of the page, also when that is made anew; resolves to the notes so far. */
  async watch(testId: string): Promise<() => Promise<readonly string[]>> {
    // As text: the types of browsers are not those of the tests.
    const notes = await this.page.evaluateHandle<readonly string[]>(`(() => {
      const texts = [];
      const look = () => document.querySelector('[data-testid=${testId}]')?.textContent;
      let last = look();
      const note = () => {
        const text = look();
        if (text === undefined || text === last) return;
        last = text;
        texts.push(text);
      };
      new MutationObserver(note).observe(document.body, { childList: true, characterData: true, subtree: true });
      return texts;
    })()`);
    return () => notes.jsonValue();
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #text(testId: string): Promise<string> {
    return (await this.at(testId).textContent()) ?? '';
  }

  /** Fills a field and sends it; the page empties it when that has worked. */
  async #send(what: string, text: string): Promise<void> {
    const field = this.at(`${what}-text`);
    await field.fill(text);
    await this.at(`${what}-send`).click();
    await waitFor(async () => (await field.inputValue()) === '', {
      timeoutMs: 20_000,
      message: `"${text}" to be sent`,
    });
  }
}
