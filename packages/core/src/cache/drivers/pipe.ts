import type { RedisCommand, RedisFloor } from '../../redis/ports.js';

/** Commands in one write. */
const MAX_COMMANDS = 500;

/** Sends the commands of one turn of the event loop in one write. An error reply to one rejects all of them. */
export class Pipe {
  readonly #floor: Pick<RedisFloor, 'call' | 'batch'>;
  #round: Round | undefined;

  constructor(floor: Pick<RedisFloor, 'call' | 'batch'>) {
    this.#floor = floor;
  }

  async send(command: RedisCommand): Promise<unknown> {
    this.#round ??= new Round(() => this.flush());
    const { commands, replies } = this.#round;
    const index = commands.push(command) - 1;
    if (commands.length === MAX_COMMANDS) this.flush();
    return (await replies)[index];
  }

  /** Sends what has been collected, without waiting for the end of the turn. */
  flush(): void {
    const round = this.#round;
    if (round === undefined) return;
    this.#round = undefined;
    const [only, ...more] = round.commands as [RedisCommand, ...RedisCommand[]];
    round.answer(
      more.length === 0 ? this.#floor.call(only).then((reply) => [reply]) : this.#floor.batch(round.commands),
    );
  }
}

class Round {
  readonly commands: RedisCommand[] = [];
  readonly replies: Promise<readonly unknown[]>;
  answer: (replies: Promise<readonly unknown[]>) => void = () => undefined;

  constructor(flush: () => void) {
    this.replies = new Promise((resolve) => {
      this.answer = resolve;
    });
    queueMicrotask(flush);
  }
}
