// What the quickstart prints: facts to lines, progress, the screen, its options.
// In: facts and arguments. Out: text. Why: a person reads these lines and nothing else.
import { expect, test } from 'vitest';
import { found } from '../../common/wire/view.ts';
import { parseOptions } from '../../deploy/quickstart/options.ts';
import { makeScreen } from '../../deploy/quickstart/screen.ts';
import { describeFact, describeProgress } from '../../deploy/quickstart/words.ts';
import { makeView } from './fake-cluster.ts';

test('describeFact() counts dropped rows by rule and leaves out rules that dropped none', () => {
  const { rows } = makeView(1, 'accepted', null);
  expect(describeFact(found('prepare', { rows }), { trainRows: null })).toEqual([
    '  rows       2,498,972 read, 2,497,770 kept, 1,202 dropped',
    '               202 by require(date)',
    '               1,000 by filter 2',
  ]);
});

test('describeFact() gives training its samples a second, and puts metrics beside the baseline', () => {
  const view = makeView(1, 'accepted', null);
  expect(describeFact({ kind: 'stage', view: view.stages[2]! }, { trainRows: 1_000_000 })).toEqual([
    '  train      735 steps, 2.5 s (CPU 4.0 s), 400,000 samples/s',
  ]);
  const [own, baseline] = describeFact(found('evaluate', { evaluation: view.evaluation }), {
    trainRows: null,
  });
  expect(own).toContain('AUC 0.6900');
  expect(baseline).toContain('AUC 0.5000');
});

test('describeProgress() shows the stage at work, rounds for training, and why a job waits', () => {
  const view = { ...makeView(1, 'none', null), state: 'running' as const };
  expect(describeProgress({ ...view, waiting: 'no worker is alive' }).text).toBe(
    'waiting: no worker is alive',
  );
  const busy = { ...view.stages[0]!, tasks: { done: 5, total: 20, reused: 0 }, etaSeconds: 3.2 };
  expect(describeProgress({ ...view, stages: [busy] })).toEqual({
    text: 'prepare: 5 of 20 tasks, 3 s left',
    share: 0.25,
  });
  const training = {
    round: 10,
    rounds: 40,
    loss: 0.5,
    rowsPerSecond: 4e5,
    workers: 1,
    generation: 1,
  };
  const rounds = { ...view.stages[2]!, tasks: { done: 10, total: 40, reused: 0 } };
  expect(describeProgress({ ...view, stages: [rounds], training })).toEqual({
    text: 'train: step 10 of 40, loss 0.5000, 400,000 rows/s',
    share: 0.25,
  });
});

test('makeScreen() draws over a bar on a terminal, and says progress seldom elsewhere', () => {
  const written: string[] = [];
  const terminal = makeScreen(
    { write: (text) => written.push(text), isTTY: true, columns: 60 },
    () => 0,
  );
  terminal.progress('prepare', 0.5);
  terminal.line('done');
  expect(written.join('')).toContain(`${'█'.repeat(12)}${'░'.repeat(12)} prepare`);
  expect(written.at(-1)).toBe('done\n');

  let now = 0;
  const lines: string[] = [];
  const plain = makeScreen({ write: (text) => lines.push(text) }, () => now);
  for (now = 0; now <= 12_000; now += 1_000) plain.progress(`at ${now}`);
  expect(lines).toEqual(['  … at 5000\n', '  … at 10000\n']);
});

test('parseOptions() takes the four flags and names what it cannot take', () => {
  expect(parseOptions([])).toEqual({
    rows: 3_000_000,
    keep: false,
    store: 'file',
    json: false,
    help: false,
  });
  expect(parseOptions(['--rows', '50000', '--keep', '--store', 'minio', '--json'])).toMatchObject({
    rows: 50_000,
    keep: true,
    store: 'minio',
    json: true,
  });
  expect(() => parseOptions(['--rows', '12'])).toThrow(
    'Cannot use --rows 12: expected a whole number from 2000',
  );
  expect(() => parseOptions(['--rows', 'all'])).toThrow('Cannot use --rows NaN');
  expect(() => parseOptions(['--store', 's3'])).toThrow('expected file or minio');
  expect(() => parseOptions(['--fast'])).toThrow("Unknown option '--fast'");
});

test('describeFact() says each edge of the split once, in words', () => {
  const { split } = makeView(1, 'accepted', null);
  expect(describeFact(found('fit', { split }), { trainRows: null })).toEqual([
    '  split      1,000,000 rows to train on, 400,000 for validation, 500,000 for the test (train up to 2001-05-01T23:59:00Z)',
  ]);
});
