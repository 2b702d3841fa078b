import type { Signalled } from '../../kernel/abort.js';
import type { Clock } from '../../kernel/clock.js';
import { presenceChannel } from '../channel-name.js';
import { packMessage } from '../packing.js';
import type {
  PresenceChange,
  PresenceLease,
  PresencePage,
  PresenceRow,
  PresenceStore,
  Renewal,
} from '../presence/ports.js';

interface User {
  connections: number;
  info: string | undefined;
}

/** Who is on one channel. */
class Attendance {
  /** Each row's user. */
  readonly rows = new Map<string, string | undefined>();
  readonly users = new Map<string, User>();
  /** What happened, as JSON, since somebody took it. */
  #told: string[] = [];

  change(change: PresenceChange): void {
    if (change.kind === 'leave') this.leave(change.row);
    else this.#enter(change, change.kind === 'update');
  }

  leave(row: string): boolean {
    const user = this.rows.get(row);
    if (!this.rows.delete(row)) return false;
    const known = user === undefined ? undefined : this.users.get(user);
    if (user === undefined || known === undefined || --known.connections > 0) return true;
    this.users.delete(user);
    this.#tell('leave', user, undefined);
    return true;
  }

  takeTold(): readonly string[] {
    return this.#told.splice(0);
  }

  #enter({ row, user, info }: PresenceRow, replaces: boolean): void {
    const isNew = !this.rows.has(row);
    this.rows.set(row, user);
    if (user === undefined || !(isNew || replaces)) return;
    const known = this.users.get(user);
    const nextInfo = replaces ? info : (info ?? known?.info);
    if (known === undefined) {
      this.users.set(user, { connections: 1, info: nextInfo });
      this.#tell('join', user, nextInfo);
      return;
    }
    const { info: before } = known;
    known.info = nextInfo;
    if (isNew) known.connections++;
    if (before !== nextInfo) this.#tell('update', user, nextInfo);
  }

  #tell(type: string, user: string, info: string | undefined): void {
    const shown = info === undefined ? '' : `,"info":${info}`;
    const counts = `"users":${this.users.size},"connections":${this.rows.size}`;
    this.#told.push(`{"type":"${type}","id":${user}${shown},${counts}}`);
  }
}

/** Who is on all channels of a memory world. */
export class MemoryAttendances {
  readonly #clock: Clock;
  readonly #channels = new Map<string, Attendance>();
  /** When each life's lease ends. */
  readonly #leases = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  clear(): void {
    this.#channels.clear();
    this.#leases.clear();
  }

  /** Carries changes out; gives the events to append. */
  change(channel: string, changes: readonly PresenceChange[]): readonly string[] {
    const attendance = this.#channels.get(channel) ?? new Attendance();
    this.#channels.set(channel, attendance);
    for (const change of changes) attendance.change(change);
    if (attendance.rows.size === 0) this.#channels.delete(channel);
    return attendance.takeTold();
  }

  on(channel: string): Attendance | undefined {
    return this.#channels.get(channel);
  }

  /** The rows of one life, channel by channel. */
  rowsOf(life: string): readonly (readonly [channel: string, rows: readonly string[]])[] {
    const left: [string, string[]][] = [];
    for (const [channel, { rows }] of this.#channels) {
      const own = [...rows.keys()].filter((row) => row.startsWith(`${life}.`));
      if (own.length > 0) left.push([channel, own]);
    }
    return left;
  }

  /** All that hold a lease, or held one. */
  lives(): readonly string[] {
    return [...this.#leases.keys()];
  }

  holds(life: string): boolean {
    return (this.#leases.get(life) ?? 0) > this.#clock.monotonic();
  }

  lease({ life, leaseMs }: PresenceLease): void {
    this.#leases.set(life, this.#clock.monotonic() + leaseMs);
  }

  /** Lives whose lease has ended; those without rows are forgotten. */
  ended(): readonly string[] {
    const ended = this.lives().filter((life) => !this.holds(life));
    return ended.filter((life) => {
      const left = this.rowsOf(life).length > 0;
      if (!left) this.#leases.delete(life);
      return left;
    });
  }

  get hasEnded(): boolean {
    return this.lives().some((life) => !this.holds(life));
  }
}

/** What the presence of one memory broker needs of it. */
export interface MemoryPresenceInit {
  readonly attendances: MemoryAttendances;
  /** Throws what a call ends with that nobody answers. */
  check(failure: string, signal: AbortSignal | undefined): void;
  append(channel: string, packed: readonly Buffer[]): void;
  head(channel: string): { readonly lineage: string; readonly head: string };
}

/** The same contract as in Redis, without a server. */
export class MemoryPresence implements PresenceStore {
  readonly #init: MemoryPresenceInit;

  constructor(init: MemoryPresenceInit) {
    this.#init = init;
  }

  async change(
    channel: string,
    life: string,
    changes: readonly PresenceChange[],
    { signal }: Signalled = {},
  ): Promise<boolean> {
    const { attendances, check } = this.#init;
    check(`changing who is on channel "${channel}" failed`, signal);
    const held = attendances.holds(life);
    if (held) this.#carryOut(channel, changes);
    return held;
  }

  async read(channel: string, limit: number, { signal }: Signalled = {}): Promise<PresencePage> {
    const { attendances, check, head } = this.#init;
    check(`reading who is on channel "${channel}" failed`, signal);
    const attendance = attendances.on(channel);
    const listed = [...(attendance?.users ?? [])].slice(0, limit);
    const log = head(presenceChannel(channel));
    return {
      lineage: log.lineage,
      head: log.head,
      users: attendance?.users.size ?? 0,
      connections: attendance?.rows.size ?? 0,
      listed: listed.map(([user, { connections, info }]) => ({ user, connections, info })),
      hasEnded: attendances.hasEnded,
    };
  }

  async renew(lease: PresenceLease, { signal }: Signalled = {}): Promise<Renewal> {
    const { attendances, check } = this.#init;
    check('renewing the lease of this instance failed', signal);
    const held = attendances.holds(lease.life);
    attendances.lease(lease);
    return { held, ended: attendances.ended() };
  }

  async sweep(life: string, { signal }: Signalled = {}): Promise<number> {
    const { attendances, check } = this.#init;
    check('asking what an instance left behind failed', signal);
    if (attendances.holds(life)) return 0;
    let removed = 0;
    for (const [channel, rows] of attendances.rowsOf(life)) {
      removed += rows.length;
      this.#carryOut(
        channel,
        rows.map((row) => ({ kind: 'leave', row })),
      );
    }
    return removed;
  }

  #carryOut(channel: string, changes: readonly PresenceChange[]): void {
    const events = this.#init.attendances.change(channel, changes);
    if (events.length === 0) return;
    const packed = events.map((event) => packMessage('', event));
    this.#init.append(presenceChannel(channel), packed);
  }
}
