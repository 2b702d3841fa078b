import { Redis } from 'ioredis';

/** How much CPU time Redis itself spends while a contender works; of several servers the one that spends most. */
export class RedisTime {
  #servers;
  #before = [];

  constructor(...urls) {
    this.#servers = urls.map((url) => new Redis(url));
  }

  /** The contender, with what its rounds cost Redis among their figures. */
  beside(contender) {
    return {
      ...contender,
      begin: async () => {
        await contender.begin?.();
        this.#before = await this.#spent();
      },
      figures: async () => ({
        ...(await contender.figures?.()),
        redisMicros: Math.max(...(await this.#spent()).map((spent, at) => spent - this.#before[at])),
      }),
    };
  }

  /** Microseconds since each was started. */
  #spent() {
    return Promise.all(this.#servers.map(async (server) => microsOf(await server.info('cpu'))));
  }
}

function microsOf(info) {
  const secondsOf = (name) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
  return (secondsOf('used_cpu_user') + secondsOf('used_cpu_sys')) * 1_000_000;
}
