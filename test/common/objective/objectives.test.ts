// What is asked of all objectives at once: by type, by metric, and the one figure that tells two models apart.
import { expect, test } from 'vitest';
import {
  isMetricOf,
  METRICS_IN_WORDS,
  mainMetric,
  metricNames,
  OBJECTIVES,
  objectiveOfType,
  ownersOf,
} from '../../../common/objective/objectives.ts';

test('objectiveOfType() follows the type of the label, and knows none for a text', () => {
  expect(['BOOLEAN', 'DOUBLE', 'VARCHAR'].map(objectiveOfType)).toEqual([
    ...['binary', 'regression'],
    undefined,
  ]);
});

test('metricNames() are those of the objective, each once, and none of another', () => {
  expect([...metricNames('binary')].sort()).toEqual([...OBJECTIVES.binary.metrics].sort());
  expect([...metricNames('regression')].sort()).toEqual([...OBJECTIVES.regression.metrics].sort());
  expect([isMetricOf('binary', 'auc'), isMetricOf('regression', 'auc')]).toEqual([true, false]);
  expect([ownersOf('auc'), ownersOf('mae')]).toEqual(['binary', 'regression']);
});

test('mainMetric() is what gates compare by, else what training minimizes, else the first there is', () => {
  expect(mainMetric({ logLoss: 0.5, auc: 0.7 })).toBe('auc');
  expect(mainMetric({ mae: 1, mse: 1, r2: 0.5 })).toBe('r2');
  expect(mainMetric({ mae: 1, mse: 1 })).toBe('mse');
  expect(mainMetric({ accuracy: 0.9, brier: 0.1 })).toBe('accuracy');
  expect(mainMetric({})).toBe('');
});

test('METRICS_IN_WORDS has a part for each objective: its name, then its metrics', () => {
  expect(METRICS_IN_WORDS.split('; ')).toEqual([
    'binary: logLoss, brier, accuracy, auc',
    'regression: mse, mae, r2',
  ]);
});
