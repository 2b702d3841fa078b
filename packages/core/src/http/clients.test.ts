import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noopLogger } from '../kernel/logger.js';
import { readOptions } from '../kernel/options.js';
import { ClientAddresses, type ClientsOptions, readClients } from './clients.js';

const proxy = '10.0.0.1';
const stranger = '198.51.100.66';

/** Who a client is, to somebody with these options. */
function clientOf(clients: ClientsOptions, headers: IncomingHttpHeaders, peer = proxy): string {
  const resolved = readClients(readOptions('http', { clients }));
  return new ClientAddresses(resolved, noopLogger).of(requestOf(headers, peer));
}

function requestOf(
  headers: IncomingHttpHeaders,
  remoteAddress: string,
): Pick<IncomingMessage, 'headers' | 'socket'> {
  return { headers, socket: { remoteAddress } as IncomingMessage['socket'] };
}

const networks: ClientsOptions = { proxies: ['10.0.0.0/8', 'fd00::/8'] };
const forwarded = (value: string): IncomingHttpHeaders => ({ forwarded: value });
const xff = (value: string): IncomingHttpHeaders => ({ 'x-forwarded-for': value });

describe('a client behind proxies', () => {
  it('is the nearest address that is no proxy of ours', () => {
    expect(clientOf(networks, xff('203.0.113.7'))).toBe('203.0.113.7');
    expect(clientOf(networks, xff('6.6.6.6, 203.0.113.7, 10.1.2.3'))).toBe('203.0.113.7');
    expect(clientOf(networks, xff('6.6.6.6, 203.0.113.7, fd00::1'), 'fd00::2')).toBe('203.0.113.7');
    expect(clientOf(networks, xff('10.9.9.9, 10.1.2.3'))).toBe('10.9.9.9'); // one of our own
    expect(clientOf(networks, {})).toBe(proxy);
  });

  it('is as many addresses away as there are proxies', () => {
    expect(clientOf({ proxies: 1 }, xff('6.6.6.6, 203.0.113.7'))).toBe('203.0.113.7');
    expect(clientOf({ proxies: 2 }, xff('6.6.6.6, 203.0.113.7, 192.0.2.9'))).toBe('203.0.113.7');
    expect(clientOf({ proxies: 2 }, xff('203.0.113.7'))).toBe('203.0.113.7');
    expect(clientOf({ proxies: 0 }, xff('203.0.113.7'))).toBe(proxy);
  });

  it.each([
    ['203.0.113.7:4711', '203.0.113.7'],
    ['[2001:DB8::7]', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['2001:db8::7', '2001:db8::7'],
    ['fe80::7%eth0', 'fe80::7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['[::ffff:cb00:7107]:80', '203.0.113.7'],
    ['  203.0.113.7\t', '203.0.113.7'],
  ])('is understood from %j', (text, address) => {
    expect(clientOf(networks, xff(text))).toBe(address);
    expect(clientOf({ ...networks, header: 'forwarded' }, forwarded(`for="${text.trim()}"`))).toBe(address);
  });

  it.each([
    'unknown',
    '_hidden',
    '',
    ',',
    '[203.0.113.7]',
    '[::1',
    '1.2.3.4.5',
    '203.0.113.7:',
    'localhost',
    '"::1"',
    '0x7f.1',
  ])('is the proxy itself where that says %j', (text) => {
    expect(clientOf(networks, xff(`203.0.113.7, ${text}`))).toBe(proxy);
    expect(clientOf(networks, xff(`203.0.113.7, ${text}, 10.0.0.2`))).toBe(proxy);
  });

  it('is read from the one header that is meant', () => {
    const both = { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=203.0.113.7' };
    expect(clientOf({ ...networks, header: 'forwarded' }, both)).toBe('203.0.113.7');
    expect(clientOf(networks, both)).toBe('6.6.6.6');
    expect(clientOf({ ...networks, header: 'forwarded' }, xff('6.6.6.6'))).toBe(proxy);
  });

  it('is whom the last element of `Forwarded` names, whatever else is in it', () => {
    const of = (text: string) => clientOf({ ...networks, header: 'forwarded' }, forwarded(text));
    expect(of('for=6.6.6.6, by=10.0.0.1;For="[2001:db8::7]:80" ; proto=https')).toBe('2001:db8::7');
    // The host is what the client has asked for.
    expect(of('for=203.0.113.7;host="a,for=6.6.6.6;x="')).toBe('203.0.113.7');
    expect(of('for="x, for=203.0.113.7;host=",for=6.6.6.6;x="')).toBe('203.0.113.7');
    expect(of('for=203.0.113.7;host="a\\",for=6.6.6.6;x=\\""')).toBe('203.0.113.7');
    for (const none of [
      'by=10.0.0.1',
      'for=1.1.1.1;for=2.2.2.2',
      'for',
      'for=',
      'for="1.1.1.1',
      'for=1.1.1.1 x',
    ])
      expect(of(none), none).toBe(proxy);
  });

  it('is found in any number of entries', () => {
    expect(clientOf(networks, xff([...Array(400).fill('6.6.6.6'), '203.0.113.7'].join()))).toBe(
      '203.0.113.7',
    );
    expect(clientOf(networks, xff(['203.0.113.7', ...Array(400).fill('10.0.0.2')].join()))).toBe(
      '203.0.113.7',
    );
  });
});

describe('whoever makes a header up', () => {
  const invention = fc.oneof(
    fc.string(),
    fc.string({
      unit: fc.constantFrom('"', ',', ';', '=', '\\', ' ', 'for=6.6.6.6', '6.6.6.6', '[', ']', ':', 'host'),
    }),
    fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 400 }).map((list) => list.join(', ')),
  );
  const address = fc.ipV4().filter((text) => !text.startsWith('10.'));
  const port = fc.option(fc.integer({ min: 1, max: 65_535 }));

  it('is who our proxy has seen', () => {
    const both = fc.constantFrom('x-forwarded-for' as const, 'forwarded' as const);
    fc.assert(
      fc.property(invention, address, port, both, (made, real, at, header) => {
        const node = at === null ? real : `${real}:${at}`;
        const written = header === 'forwarded' ? `for="${node}";proto=http` : node;
        const headers = { [header]: made === '' ? written : `${made}, ${written}` };
        expect(clientOf({ ...networks, header }, headers)).toBe(real);
        expect(clientOf({ proxies: 1, header }, headers)).toBe(real);
      }),
    );
  });

  it('is itself where it comes past the proxies', () => {
    fc.assert(
      fc.property(invention, (made) => {
        for (const header of ['x-forwarded-for', 'forwarded'] as const)
          expect(clientOf({ ...networks, header }, { [header]: made }, stranger)).toBe(stranger);
        const elsewhere = {
          'x-real-ip': made,
          'cf-connecting-ip': made,
          'true-client-ip': made,
          forwarded: made,
        };
        expect(clientOf(networks, elsewhere)).toBe(proxy);
      }),
    );
  });

  it('never becomes a key of its own making, even with a word of the proxy that is none', () => {
    fc.assert(
      fc.property(invention, (made) => {
        for (const header of ['x-forwarded-for', 'forwarded'] as const)
          expect(isIP(clientOf({ ...networks, header }, { [header]: made }))).not.toBe(0);
      }),
    );
  });
});

describe('without options', () => {
  const warned: string[] = [];
  const logger = { ...noopLogger, warn: (_fields: object, message: string) => void warned.push(message) };

  it('the framework is believed', () => {
    const clients = new ClientAddresses(undefined, logger);
    expect(clients.of(requestOf(xff('203.0.113.7'), proxy), '203.0.113.7')).toBe('203.0.113.7');
    expect(clients.of(requestOf({}, proxy))).toBe(proxy);
    expect(warned).toEqual([]);
  });

  it('a warning says once that nobody heeds the header', () => {
    const clients = new ClientAddresses(undefined, logger);
    for (let n = 0; n < 3; n++) expect(clients.of(requestOf(xff('203.0.113.7'), proxy), proxy)).toBe(proxy);
    expect(warned.splice(0)).toEqual([expect.stringContaining('http.clients')]);
  });

  it('a warning says once that a stranger sends it, unless nobody is to be believed', () => {
    for (const [proxies, warnings] of [
      [['10.0.0.0/8'], 1],
      [[], 0],
      [0, 0],
    ] as const) {
      const clients = new ClientAddresses(readClients(readOptions('http', { clients: { proxies } })), logger);
      for (let n = 0; n < 3; n++) expect(clients.of(requestOf(xff('6.6.6.6'), stranger))).toBe(stranger);
      expect(warned.splice(0)).toHaveLength(warnings);
    }
  });
});

describe('options', () => {
  it.each([
    [{}, 'proxies'],
    [{ proxies: -1 }, 'proxies'],
    [{ proxies: true }, 'proxies'],
    [{ proxies: ['10.0.0.0/99'] }, '10.0.0.0/99'],
    [{ proxies: ['toString'] }, 'toString'],
    [{ proxies: 1, header: 'x-real-ip' }, 'header'],
    [{ proxies: 1, ipv6PrefixBits: 129 }, 'ipv6PrefixBits'],
    [{ proxies: 1, headers: 'forwarded' }, 'header'],
  ])('like %j are refused', (clients, name) => {
    expect(() => readClients(readOptions('http', { clients }))).toThrow(name);
  });

  it('know the names of networks that frameworks know', () => {
    const options = { proxies: ['loopback', 'uniquelocal', 'linklocal'] };
    for (const peer of [
      '127.0.0.9',
      '::1',
      '::ffff:127.0.0.1',
      '192.168.3.4',
      'fd12::1',
      'fe80::1',
      '169.254.1.1',
    ])
      expect(clientOf(options, xff('203.0.113.7'), peer), peer).toBe('203.0.113.7');
    expect(clientOf(options, xff('203.0.113.7'), '8.8.8.8')).toBe('8.8.8.8');
  });
});
