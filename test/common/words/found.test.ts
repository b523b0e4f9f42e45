import { expect, test } from 'vitest';
import { FIELDS } from '../../../common/stage/stages.ts';
import { tellFound } from '../../../common/words/found.ts';
import { makeView } from '../../deploy/fake-cluster.ts';

const view = makeView(2, 'refused', null);

test('every field that a stage may find has words', () => {
  for (const { name } of FIELDS) {
    const value = view[name];
    if (value === null || (Array.isArray(value) && value.length === 0)) continue;
    expect(tellFound(name, value).length, name).toBeGreaterThan(0);
    expect(tellFound(name, value)[0]?.line, name).not.toMatch(/undefined|NaN|null/);
  }
});

test('what was not found, or is not known, has none', () => {
  expect(tellFound('rows', null)).toEqual([]);
  expect(tellFound('aFieldOfTomorrow', { some: 1 })).toEqual([]);
});

test('rows: what was dropped, by kind in a line and by rule below', () => {
  expect(tellFound('rows', view.rows)).toEqual([
    {
      label: 'rows',
      line: '2,497,770 rows   1,202 dropped (require 202, filter 2 1,000)',
      long: '2,498,972 read, 2,497,770 kept, 1,202 dropped',
      more: ['202 by require(date)', '1,000 by filter 2'],
    },
  ]);
});

test('an epoch: the figure that tells, and all of them', () => {
  expect(tellFound('epochs', view.epochs)).toEqual([
    {
      label: 'epoch',
      line: '1  loss 0.4500   validation AUC 0.6800',
      long: '1  loss 0.4500   validation loss 0.4400   validation AUC 0.6800',
    },
  ]);
});

test('an evaluation: beside the baseline, by titles of the table of metrics', () => {
  const [told] = tellFound('evaluation', view.evaluation);
  expect(told?.line).toContain('AUC 0.7000 (baseline 0.5000)');
  expect(told?.more?.[0]).toContain('a baseline that always says the mean');
});
