import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTemporaryFolder, GuardedProcess, waitFor } from '@pando/core/testing';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';
import { requireServer } from './servers.js';

const flags = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-port=0',
];

/** A running browser; disposing it ends the process and removes its profile. */
export interface TestBrowser extends AsyncDisposable {
  readonly browser: Browser;
  close(): Promise<void>;
}

/** Starts a headless Chromium with a profile of its own. */
export async function launchBrowser({
  signal,
}: {
  readonly signal?: AbortSignal | undefined;
} = {}): Promise<TestBrowser> {
  const folder = await createTemporaryFolder('pando-chromium-');
  const outputFile = join(folder.path, 'output.log');
  const server = await GuardedProcess.start(
    requireServer('chromium'),
    [...flags, `--user-data-dir=${join(folder.path, 'profile')}`, 'about:blank'],
    { outputFile, cwd: folder.path, env: { PATH: process.env.PATH, HOME: folder.path, TMPDIR: folder.path } },
  );
  const end = async () => {
    await server.kill();
    await folder[Symbol.asyncDispose]();
  };
  try {
    const port = await waitFor(() => debuggingPort(join(folder.path, 'profile')), {
      timeoutMs: 30_000,
      signal,
      message: () => `Chromium to start. It said:\n${server.output({ lines: 12 })}`,
    });
    const browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`);
    const close = async () => {
      await browser.close();
      await end();
    };
    return { browser, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Chromium writes the port that it took into a file of its profile. */
async function debuggingPort(profile: string): Promise<string | undefined> {
  const text = await readFile(join(profile, 'DevToolsActivePort'), 'utf8');
  return text.split('\n')[0];
}
