import { describe, expect, it } from 'vitest';
import { closeCodes } from '../../../realtime/close-codes.js';
import { waitFor } from '../../wait-for.js';
import { createGate, quiet, type StartApp } from './app.js';
import { SocketClient } from './clients.js';

const open = { path: '/ws', authorize: () => true };

/** How WebSocket connections end. */
export function wsEndCases(start: StartApp): void {
  describe('WebSocket at its end', () => {
    it('closes with 1009 after a message over the limit', async () => {
      await using app = await start({ ws: { ...open, maxMessageBytes: 1_000 } });
      using client = await SocketClient.open(`${app.url}/ws`);
      client.send('x'.repeat(1_001));
      expect(await client.closed()).toBe(closeCodes.tooLarge.code);
      await waitFor(() => app.pando.realtime.connections === 0);
    });

    it('is cut when its client has answered no ping for too long', async () => {
      await using app = await start({ ws: open, kit: { realtime: { pingMs: 40 } } });
      using deaf = await SocketClient.open(`${app.url}/ws`, { autoPong: false });
      using alive = await SocketClient.open(`${app.url}/ws`);
      expect(await deaf.closed()).toBe(1006);
      expect(alive.closeCode).toBeUndefined();
      await waitFor(() => app.pando.realtime.connections === 1);
    });

    it('says what was wrong with what a client sent', async () => {
      await using app = await start({ ws: open });
      using client = await SocketClient.open(`${app.url}/ws`, { protocols: ['pando.v1'] });
      client.send('no frame');
      expect(await client.closed()).toBe(closeCodes.protocol.code);
    });

    it('says that a client sends faster than it can be served', async () => {
      const decided = createGate();
      const authorize = async (): Promise<boolean> => {
        await decided.opened;
        return true;
      };
      const kit = { realtime: { maxMessagesPerSecond: false } } as const;
      await using app = await start({ ws: { path: '/ws', authorize }, kit });
      using client = await SocketClient.open(`${app.url}/ws`, { protocols: ['pando.v1'] });
      for (let n = 0; n < 300; n++) client.send({ t: 'sub', id: n, c: `room:${n}` });
      expect(await client.closed()).toBe(closeCodes.flood.code);
      decided.open();
    });

    it("says that the application's handler failed", async () => {
      const onMessage = () => Promise.reject(new Error('boom'));
      await using app = await start({
        ws: { path: '/ws', protocol: 'raw', onMessage },
        kit: { logger: quiet },
      });
      using client = await SocketClient.open(`${app.url}/ws`);
      client.send('hello');
      expect(await client.closed()).toBe(closeCodes.failed.code);
    });

    it('says that the application sends the client elsewhere', async () => {
      await using app = await start({
        ws: { path: '/ws', protocol: 'raw', onMessage: ({ connection }) => connection.close() },
      });
      using client = await SocketClient.open(`${app.url}/ws`);
      client.send('bye');
      expect(await client.closed()).toBe(closeCodes.goingAway.code);
    });

    it('does not begin on an instance that is full', async () => {
      await using app = await start({ ws: open, kit: { realtime: { maxConnections: 1 } } });
      using client = await SocketClient.open(`${app.url}/ws`);
      const refused = await SocketClient.connect(`${app.url}/ws`);
      expect(refused).toMatchObject({ status: 503 });
      expect(client.closeCode).toBeUndefined();
    });
  });
}
