import { createPando } from '@pando/core';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import type { Instrument } from '../../packages/core/src/kernel/meter.js';
import { instruments } from './reference/metrics.js';
import { parse, sources } from './source-graph.js';

const all: readonly Instrument[] = Object.values(instruments).flat();

/** The names of instruments that the sources write down. */
function writtenNames(): string[] {
  const names: string[] = [];
  for (const path of sources('packages/core/src').filter((file) => !file.includes('/testing/'))) {
    const visit = (node: ts.Node): void => {
      if (
        ts.isPropertyAssignment(node) &&
        node.name.getText() === 'name' &&
        ts.isStringLiteral(node.initializer)
      ) {
        if (node.initializer.text.startsWith('pando_')) names.push(node.initializer.text);
      }
      ts.forEachChild(node, visit);
    };
    visit(parse(path));
  }
  return names;
}

describe('the metrics', () => {
  it('are all in the reference, each once', () => {
    expect(all.map(({ name }) => name).sort()).toEqual(writtenNames().sort());
  });

  it('have names that say what they count, and in which unit', () => {
    const suffix = { counter: /_total$/, histogram: /_(seconds|bytes)$/, gauge: /(?<!_total)$/ };
    expect(
      all.filter(({ name, type }) => !/^pando_[a-z]+_[a-z_]+$/.test(name) || !suffix[type].test(name)),
    ).toEqual([]);
  });

  it('say of each label which values it has', () => {
    const unlike = all.filter(({ labels = [], values = {} }) => labels.join() !== Object.keys(values).join());
    expect(unlike.map(({ name }) => name)).toEqual([]);
  });

  it('of a kit at work have no other names, labels or values', async () => {
    await using pando = await createPando({
      limits: { policies: { write: '1/min' } },
      lifecycle: { signals: false },
    });
    await pando.realtime.publish('posts', 1);
    await pando.cache.getOrLoad('key', () => 1);
    await pando.cache.invalidate(['key']);
    for (let call = 0; call < 2; call++) await pando.limits.consume('write', 'ann');
    const lines = (await pando.metrics.expose()).split('\n').filter((line) => line.startsWith('pando_'));
    expect(lines.length).toBeGreaterThan(50);

    const strange = lines.filter((line) => {
      const [, name = '', labels = ''] = /^(\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? /.exec(line) ?? [];
      const instrument = all.find((one) => one.name === name);
      const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].filter(([, label]) => label !== 'le');
      return (
        !pairs.every(([, label = '', value = '']) => {
          const values = instrument?.values?.[label];
          return typeof values === 'string' || values?.includes(value);
        }) || instrument === undefined
      );
    });
    expect(strange).toEqual([]);
  });
});
