/** The cache of two processes: how often both load the same, and how soon one hears of what the other has invalidated. */
import { milliseconds } from '../harness/measures.mjs';
import { quantile } from '../harness/statistics.mjs';
import { instances, OtherInstance, stampede } from './cache-instances.mjs';

const one = { workers: 1, batch: 1 };
const figure = (name, unit) => ({ unit, better: 'less', of: ({ figures }) => figures[name] });

const crowd = (peer, theirs, target) => ({
  what: 'a value that nobody has, wanted by 1,000 callers in each of two processes at once, loaded in 100 ms',
  ours: 'pandoStampedes',
  theirs: `${theirs}Stampedes`,
  peer,
  load: one,
  rows: {
    [`cache.stampede.loads.vs-${peer}`]: { ...figure('loads', 'loads'), ...target },
    [`cache.stampede.vs-${peer}`]: milliseconds('stampede'),
  },
});

const news = (peer, theirs) => ({
  what: 'from the call that invalidates a key until another process does not serve its value any more; the aim is 2 ms, and 10 for the slowest in a hundred',
  ours: 'pandoInvalidations',
  theirs: `${theirs}Invalidations`,
  peer,
  load: one,
  rows: {
    [`cache.invalidate.median.vs-${peer}`]: figure('median', 'ms'),
    [`cache.invalidate.p99.vs-${peer}`]: figure('p99', 'ms'),
  },
});

export const comparisons = [
  crowd('bentocache', 'bentocache', { target: 1.5 }),
  crowd('layered-loader', 'layeredLoader', { target: 1.5 }),
  news('bentocache', 'bentocache'),
  news('layered-loader', 'layeredLoader'),
];

export async function open(servers) {
  const { url } = await servers.redis();
  return { redisUrl: url };
}

async function stampedes(kind, redisUrl) {
  const [instance, other] = await Promise.all([
    instances[kind](redisUrl),
    OtherInstance.start(kind, redisUrl),
  ]);
  let turn = 0;
  let loads = [];
  return {
    begin: () => {
      loads = [];
    },
    async run() {
      const key = `stampede:${turn++}`;
      const theirs = other.next('loads');
      other.send({ stampedeOn: key });
      loads.push((await stampede(instance, key)) + (await theirs));
    },
    figures: () => ({ loads: loads.reduce((sum, count) => sum + count, 0) / loads.length }),
  };
}

async function invalidations(kind, redisUrl) {
  const [instance, other] = await Promise.all([
    instances[kind](redisUrl),
    OtherInstance.start(kind, redisUrl),
  ]);
  let turn = 0;
  let delays = [];
  return {
    begin: () => {
      delays = [];
    },
    async run() {
      const key = `news:${turn++ % 100}`;
      const begun = other.next('begun');
      other.send({ watch: key });
      await begun;
      const replaced = other.next('replaced');
      const calledAt = process.hrtime.bigint();
      await instance.invalidate(key);
      delays.push(Number(BigInt(await replaced) - calledAt) / 1e6);
    },
    figures: () => ({ median: quantile(delays, 0.5), p99: quantile(delays, 0.99) }),
  };
}

export const pandoStampedes = ({ redisUrl }) => stampedes('pando', redisUrl);
export const bentocacheStampedes = ({ redisUrl }) => stampedes('bentocache', redisUrl);
export const layeredLoaderStampedes = ({ redisUrl }) => stampedes('layeredLoader', redisUrl);
export const pandoInvalidations = ({ redisUrl }) => invalidations('pando', redisUrl);
export const bentocacheInvalidations = ({ redisUrl }) => invalidations('bentocache', redisUrl);
export const layeredLoaderInvalidations = ({ redisUrl }) => invalidations('layeredLoader', redisUrl);
