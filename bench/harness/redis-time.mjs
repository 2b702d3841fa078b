import { Redis } from 'ioredis';

/** How much CPU time Redis itself spends while a contender works. */
export class RedisTime {
  #redis;
  #before = 0;

  constructor(url) {
    this.#redis = new Redis(url);
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
        redisMicros: (await this.#spent()) - this.#before,
      }),
    };
  }

  /** Microseconds since Redis was started. */
  async #spent() {
    const info = await this.#redis.info('cpu');
    const secondsOf = (name) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]);
    return (secondsOf('used_cpu_user') + secondsOf('used_cpu_sys')) * 1_000_000;
  }
}
