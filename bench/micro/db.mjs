/** What it takes to decide where a statement goes: every query pays it. */
import { build } from 'esbuild';

const load = { workers: 1, batch: 1_000 };

export const comparisons = [
  {
    what: 'where a query goes, by its text, the token of its context and the positions of two replicas; the peer looks at the first word alone',
    ours: 'decides',
    theirs: 'looksAtTheFirstWord',
    peer: 'RegExp',
    load,
    rows: {
      'db.route.vs-first-word': {
        unit: 'ns/decision',
        better: 'less',
        of: ({ operations, seconds }) => (seconds * 1e9) / operations,
      },
    },
  },
];

export async function open() {
  return {};
}

const texts = [
  'select id, title, likes from posts where id = $1',
  'select p.id, p.title, u.name from posts p join users u on u.id = p.author_id order by p.created_at desc limit 20',
  "update posts set title = $1 where id = $2 and title <> 'for update'",
];

/** The decision is no public function: it is bundled from its source. */
async function openRouter() {
  const source = new URL('../../packages/core/src/db/', import.meta.url).pathname;
  const { outputFiles } = await build({
    stdin: {
      contents: "export * from './classifier.js'; export * from './router.js';",
      resolveDir: source,
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

export async function decides() {
  const { SqlClassifier, needOf, route } = await openRouter();
  const classifier = new SqlClassifier();
  const history = { system: '7412345678901234567', timeline: 1 };
  const replica = (lsn, load) => ({
    isInRotation: true,
    isStalled: false,
    load,
    position: { ...history, lsn },
  });
  const replicas = [replica(0x16_b374_d848n, 2), replica(0x16_b374_e000n, 1)];
  const token = {
    db: [{ shard: 'main', ...history, lsn: 0x16_b374_d900n }],
    cache: [],
    pending: [],
    opaque: [],
  };
  const reader = { level: 'causal', token, inTransaction: false };
  let turn = 0;
  return {
    run(count) {
      let onReplica = 0;
      for (let i = 0; i < count; i++) {
        if (classifier.kindOf(texts[i % texts.length]) !== 'read') continue;
        const need = needOf(reader, 'main', history);
        if (route(need.floor, history, replicas, turn++).to === 'replica') onReplica += 1;
      }
      if (onReplica !== Math.ceil((count * 2) / 3))
        throw new Error(`${onReplica} of ${count} went to a replica.`);
    },
  };
}

export async function looksAtTheFirstWord() {
  const isRead = /^\s*select\b/i;
  return {
    run(count) {
      let reads = 0;
      for (let i = 0; i < count; i++) if (isRead.test(texts[i % texts.length])) reads += 1;
      if (reads === 0) throw new Error('Nothing was read.');
    },
  };
}
