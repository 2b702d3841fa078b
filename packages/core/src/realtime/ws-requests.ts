import { messageOf } from '../kernel/errors.js';
import { isPresenceChannel, subjectOf } from './channel-name.js';
import { type CloseCode, closeCodes } from './close-codes.js';
import type { ChannelAction, Overrun, Refreshed, SocketSession } from './connection.js';
import type { EndReason } from './reasons.js';
import type { WsEnvironment } from './ws-environment.js';
import {
  type ClientFrame,
  type FrameRefusal,
  parseClientFrame,
  type RequestId,
  type ServerFrame,
} from './ws-protocol.js';
import { codeOf, explanations } from './ws-refusals.js';

/** The connection whose client asks. */
export interface Asker {
  readonly id: string;
  readonly identity: unknown;
  readonly isEnded: boolean;
  readonly channels: readonly string[];
  readonly channelCount: number;
  follows(channel: string): boolean;
  follow(channel: string, since: string | undefined, id: RequestId | undefined): void;
  /** False where it does not follow the channel. */
  unfollow(channel: string): boolean;
  /** Goes on with what was renewed; false where that is of somebody else. */
  renew(refreshed: Refreshed, askedAt: number): boolean;
  /** How often its user has lost channels. */
  readonly revocations: number;
  /** The client may not follow the channel any longer. */
  forbid(channel: string): void;
  tell(frame: ServerFrame): void;
  /** What it has said is not carried out: it was beyond a policy. */
  limit(overrun: Overrun, id: RequestId | undefined, channel: string | undefined): void;
  end(code: Pick<CloseCode, 'code' | 'reason'>, why: EndReason): void;
}

/** Carries out what the client of one connection asks for in `pando.v1`. */
export class WsRequests {
  readonly #asker: Asker;
  readonly #session: SocketSession;
  readonly #env: WsEnvironment;
  #unanswered = 0;

  constructor(asker: Asker, session: SocketSession, env: WsEnvironment) {
    this.#asker = asker;
    this.#session = session;
    this.#env = env;
  }

  /** Those that were carried out, and whose answer is under way. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Carries out one frame. Never rejects. */
  async hear(text: string): Promise<void> {
    const frame = parseClientFrame(text);
    if (this.#session.spend !== undefined && !(await this.#affords(frame))) return;
    switch (frame.t) {
      case 'ping':
        return this.#asker.tell({ t: 'pong', id: frame.id });
      case 'sub':
        return await this.#subscribe(frame);
      case 'unsub':
        return this.#unsubscribe(frame);
      case 'pub':
        return await this.#publish(frame);
      case 'presence':
        return await this.#list(frame);
      case 'auth':
        return await this.#renew(frame);
      case 'refused':
        this.#asker.tell({ t: 'err', id: frame.id, c: undefined, code: frame.code, message: frame.message });
        if (frame.isFatal) this.#asker.end(closeCodes.protocol, 'protocol');
    }
  }

  /** Whether the client may ask for this now, by the application's limits; tells it if not. Never rejects. */
  async #affords(frame: ClientFrame | FrameRefusal): Promise<boolean> {
    if (frame.t === 'ping' || frame.t === 'auth' || frame.t === 'refused') return true;
    const { spend } = this.#session;
    const { identity } = this.#asker;
    const channel = 'channel' in frame ? frame.channel : undefined;
    try {
      const overrun =
        (await spend?.('message', identity)) ??
        (frame.t === 'pub' ? await spend?.('publish', identity) : undefined);
      if (overrun === undefined) return !this.#asker.isEnded;
      this.#asker.limit(overrun, frame.id, channel);
    } catch (cause) {
      this.#complain('a limit failed', channel, cause);
      this.#refuse(frame.id, channel, 'failed');
    }
    return false;
  }

  async #subscribe({ id, channels, since, presence }: ClientFrame & { readonly t: 'sub' }): Promise<void> {
    for (const channel of channels) {
      if (this.#asker.follows(channel)) this.#refuse(id, channel, 'already-subscribed');
      else if (this.#asker.channelCount >= this.#env.maxChannels)
        this.#refuse(id, channel, 'too-many-channels');
      else if (this.#env.hub.obstacleTo(channel) !== undefined) this.#refuse(id, channel, 'unavailable');
      else if (isPresenceChannel(channel)) {
        if (await this.#may(id, channel, 'presence')) this.#asker.follow(channel, since.get(channel), id);
      } else if (await this.#may(id, channel, 'subscribe')) {
        if (!presence || (await this.#enter(id, channel)))
          this.#asker.follow(channel, since.get(channel), id);
      }
      if (this.#asker.isEnded) return;
    }
  }

  #unsubscribe({ id, channels }: ClientFrame & { readonly t: 'unsub' }): void {
    for (const channel of channels) {
      if (!this.#asker.unfollow(channel)) {
        this.#refuse(id, channel, 'not-subscribed');
        continue;
      }
      this.#asker.tell({ t: 'unsub', id, c: channel, reason: undefined });
    }
  }

  async #publish({ id, channel, data, key }: ClientFrame & { readonly t: 'pub' }): Promise<void> {
    if (!(await this.#may(id, channel, 'publish')) || this.#asker.isEnded) return;
    const published = this.#env.publish(channel, data, { id: key === undefined ? undefined : `c:${key}` });
    this.#answerWith(
      id,
      channel,
      published.then(({ position, duplicate }) => {
        return { t: 'ack', id, c: channel, i: position, duplicate: duplicate || undefined };
      }),
    );
  }

  async #list({ id, channel }: ClientFrame & { readonly t: 'presence' }): Promise<void> {
    if (!(await this.#may(id, channel, 'presence')) || this.#asker.isEnded) return;
    const listed = this.#env.presence(channel);
    this.#answerWith(
      id,
      channel,
      listed.then(({ position, users, connections, members, truncated }) => {
        return { t: 'presence', id, c: channel, i: position, users, connections, members, truncated };
      }),
    );
  }

  /** Takes what is fresh in the place of what expires, and asks again what the client may follow. */
  async #renew({ id, credential }: ClientFrame & { readonly t: 'auth' }): Promise<void> {
    const askedAt = this.#env.lifetimes.clock.monotonic();
    try {
      const refreshed = await this.#session.refresh?.(credential, this.#asker.identity);
      if (this.#asker.isEnded) return;
      if (refreshed === undefined || !this.#asker.renew(refreshed, askedAt))
        return this.#refuse(id, undefined, 'forbidden');
      this.#asker.tell({ t: 'auth', id, expiresAt: refreshed.expiresAt });
      await this.#reconsider(refreshed);
    } catch (cause) {
      this.#complain('refresh failed', undefined, cause);
      this.#refuse(id, undefined, 'failed');
    }
  }

  /** What somebody may who was somebody else a moment ago need not be the same. */
  async #reconsider({ channels }: Refreshed): Promise<void> {
    const given = this.#session.channels ?? [];
    for (const channel of this.#asker.channels) {
      const isGiven = given.includes(channel);
      const stays = isGiven ? (channels ?? given).includes(channel) : await this.#mayStill(channel);
      if (this.#asker.isEnded) return;
      if (!stays) this.#asker.forbid(channel);
    }
  }

  /** Who cannot be asked has not said no. */
  async #mayStill(channel: string): Promise<boolean> {
    try {
      return await this.#isAllowed(channel, isPresenceChannel(channel) ? 'presence' : 'subscribe');
    } catch (cause) {
      this.#complain('authorize failed', channel, cause);
      return true;
    }
  }

  /** The next frame need not wait for the answer: order is kept from here on by the publisher. */
  #answerWith(id: RequestId | undefined, channel: string, answer: Promise<ServerFrame>): void {
    this.#unanswered++;
    answer
      .then((frame) => this.#asker.tell(frame))
      .catch((cause: unknown) => {
        const code = codeOf(cause);
        if (code === 'failed') this.#complain('a request failed', channel, cause);
        this.#refuse(id, channel, code);
      })
      .finally(() => {
        this.#unanswered--;
      });
  }

  /** Is present on the channels that it starts with. Never rejects. */
  async appear(channels: readonly string[]): Promise<void> {
    for (const channel of channels) {
      if (isPresenceChannel(channel)) continue;
      try {
        const who = await this.#session.presence?.(this.#asker.identity, channel);
        if (who !== false && this.#asker.follows(channel)) this.#env.roster.enter(this.#asker, channel, who);
      } catch (cause) {
        this.#complain('presence failed', channel, cause);
      }
      if (this.#asker.isEnded) return;
    }
  }

  /** Is present on a channel that it asks for, and tells the client if it may not. */
  async #enter(id: RequestId | undefined, channel: string): Promise<boolean> {
    if (!(await this.#may(id, channel, 'presence'))) return false;
    try {
      const who = await this.#session.presence?.(this.#asker.identity, channel);
      if (this.#asker.isEnded) return false;
      if (who !== false) this.#env.roster.enter(this.#asker, channel, who);
      else this.#refuse(id, channel, 'forbidden');
      return who !== false;
    } catch (cause) {
      this.#complain('presence failed', channel, cause);
      this.#refuse(id, channel, 'failed');
      return false;
    }
  }

  /** Asks the application, and tells the client if the answer is no. */
  async #may(id: RequestId | undefined, channel: string, action: ChannelAction): Promise<boolean> {
    try {
      if (await this.#isAllowed(channel, action)) return true;
      this.#refuse(id, channel, 'forbidden');
    } catch (cause) {
      this.#complain('authorize failed', channel, cause);
      this.#refuse(id, channel, 'failed');
    }
    return false;
  }

  async #isAllowed(channel: string, action: ChannelAction): Promise<boolean> {
    for (;;) {
      const { revocations } = this.#asker;
      const isAllowed = await this.#ask(channel, action);
      // An answer from before a revocation may be out of date.
      if (!isAllowed || this.#asker.revocations === revocations) return isAllowed;
    }
  }

  async #ask(channel: string, action: ChannelAction): Promise<boolean> {
    const { authorize } = this.#session;
    const { identity } = this.#asker;
    const subject = subjectOf(channel);
    const answer = await authorize?.(identity, subject, action);
    const isAsked = answer !== undefined || action !== 'presence';
    // Nothing is allowed that nobody has allowed.
    return (isAsked ? answer : await authorize?.(identity, subject, 'subscribe')) === true;
  }

  #complain(what: string, channel: string | undefined, cause: unknown): void {
    this.#env.logger.error(
      { connection: this.#asker.id, channel, err: cause },
      `${what}: ${messageOf(cause)}`,
    );
  }

  #refuse(id: RequestId | undefined, channel: string | undefined, code: keyof typeof explanations): void {
    this.#asker.tell({ t: 'err', id, c: channel, code, message: explanations[code] });
  }
}
