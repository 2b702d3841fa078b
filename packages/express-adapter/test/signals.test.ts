import { createPando } from '@pando/core';
import { pandoExpress } from '@pando/express-adapter';
import express from 'express';
import { expect, it } from 'vitest';

const heard = (): readonly number[] => ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal));
const address = { port: 0, host: '127.0.0.1' };

it('listen owns the signals, unless they are left to the application', async () => {
  const before = heard();
  const pando = await createPando({ lifecycle: { readinessDelayMs: 0, exit: false } });
  const owned = before.map((count) => count + 1);
  expect(heard()).toEqual(owned);
  const { listen } = pandoExpress(pando);

  await (await listen(express(), address)).close();
  expect(heard()).toEqual(owned);

  const serving = await listen(express(), { ...address, signals: false });
  expect(heard()).toEqual(before);
  expect((await fetch(serving.url)).status).toBe(404);
  await pando.close(); // which is what the application does on a signal, and ends the server
  await expect(fetch(serving.url)).rejects.toThrow();
});

it('there is no other value for it', async () => {
  await using pando = await createPando({ lifecycle: { signals: false, readinessDelayMs: 0 } });
  const { listen } = pandoExpress(pando);
  const listening = listen(express(), { ...address, signals: ['SIGTERM'] } as never);
  await expect(listening).rejects.toThrow('http.signals must be false, or left out');
});
