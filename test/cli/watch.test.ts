// What a terminal shows of jobs that real clusters ran: recorded views in, lines out.
import { expect, test } from 'vitest';
import type { JobView } from '../../cli/api.ts';
import { styleOf } from '../../cli/print.ts';
import { showLines } from '../../cli/show.ts';
import { exitOfJob, factLines, waitLines, watchLines } from '../../cli/watch.ts';
import { found } from '../../common/wire/view.ts';
import recorded from './recorded-views.json' with { type: 'json' };

const views = recorded as unknown as Readonly<Record<keyof typeof recorded, JobView>>;
const plain = styleOf(false);
const frame = (view: JobView): string[] => watchLines(view, plain);
const lineOf = (view: JobView, label: string): string =>
  frame(view).find((line) => line.startsWith(label)) ?? '';

test('watchLines() of a queued job says that it waits for its turn', () => {
  expect(frame(views.queued)).toEqual([
    `job ${views.queued.id}  trips`,
    'queued   until its turn comes',
  ]);
});

test('watchLines() says why a job waits', () => {
  const waiting = { ...views.training, waiting: 'no worker is alive' };
  expect(lineOf(waiting, 'waits')).toBe('waits    no worker is alive');
  const calm = views.training;
  expect(waitLines(undefined, calm, plain)).toEqual([]);
  expect(waitLines(calm, waiting, plain)).toEqual(['waits    no worker is alive']);
  expect(waitLines(waiting, waiting, plain)).toEqual([]);
  expect(waitLines(waiting, calm, plain)).toEqual(['waits    no more']);
});

test('watchLines() shows what prepare dropped, by rule', () => {
  expect(lineOf(views.fitting, 'job')).toContain('snapshot 3 objects, 9 row groups, 122.5 kB');
  expect(lineOf(views.fitting, 'prepare')).toBe(
    'prepare  ████████ 3/3   17,820 rows   180 dropped (filter 180)   0.6 s',
  );
});

test('watchLines() does not know the total of a stage that is being planned', () => {
  expect(lineOf(views.starting, 'prepare')).toBe('prepare  ──────── 0/?');
});

test('watchLines() of training: who gathers, who loads, then steps, loss, speed and an estimate', () => {
  expect(lineOf(views.gathering, 'train')).toContain('step 0/1,260   workers gather');
  expect(lineOf(views.loading, 'train')).toContain('rows load at 1 worker');
  expect(lineOf(views.training, 'train')).toBe(
    'train    █▌────── step 263/1,260   loss 0.0945   1 worker   32 k rows/s   ETA 7.7 s',
  );
});

test('watchLines() of an accepted first version', () => {
  const lines = frame(views.accepted);
  expect(lineOf(views.accepted, 'train')).toContain('validation AUC 0.9612');
  expect(lineOf(views.accepted, 'evaluate')).toContain('AUC 0.9629 (baseline 0.5000)');
  expect(lineOf(views.accepted, 'prove')).toContain('not one bit of difference');
  expect(lines.slice(-2)).toEqual([
    'gate     dev/champion  ACCEPTED  the first version',
    'done after 6.0 s: trips version 1 is served',
  ]);
});

test('watchLines() compares a challenger with the champion in figures', () => {
  expect(lineOf(views.better, 'prepare')).toContain('reused 3');
  expect(lineOf(views.better, 'gate')).toBe(
    'gate     dev/champion  ACCEPTED  AUC 0.9629 → 0.9644  Δ +0.0014 [−0.0019, +0.0047], needs ≥ −0.002',
  );
});

test('watchLines() says of a refused version why, once, and that it is not served', () => {
  expect(frame(views.refused).slice(-2)).toEqual([
    'gate     dev/champion  REFUSED  auc is 0.96438, needed at least 0.999',
    'done after 2.5 s: trips version 3 is kept, but not served',
  ]);
  const { gate } = views.better;
  const worse = {
    ...views.better,
    decision: 'refused' as const,
    gate: {
      ...gate!,
      decision: 'refused' as const,
      evidence: {
        ...gate!.evidence!,
        comparison: { ...gate!.evidence!.comparison!, change: -0.003, low: -0.005, high: -0.001 },
        checks: [
          { passed: false, words: 'auc is 0.6, needed at least 0.7' },
          { passed: false, words: 'auc −0.003 against champion 1' },
        ],
      },
    },
  };
  expect(frame(worse).filter((line) => /REFUSED|needed/.test(line))).toEqual([
    'gate     dev/champion  REFUSED  AUC 0.9629 → 0.9644  Δ −0.0030 [−0.0050, −0.0010], needs ≥ −0.002',
    '         auc is 0.6, needed at least 0.7',
  ]);
});

test('watchLines() ends a failed job with code, fields and remedy', () => {
  const lines = frame(views.failed);
  expect(lines.at(-2)).toMatch(/^error ROWS_NONE {2}Cannot go on with 0 rows of 18000/);
  expect(lines.at(-1)).toBe('  → Loosen the clean rules: the counts say which one took the rows');
  const error = {
    ...views.failed.error!,
    errors: [{ pointer: '/clean/0/filter', detail: 'takes every row' }],
  };
  expect(frame({ ...views.failed, error })).toContain('  /clean/0/filter  takes every row');
});

test('watchLines() of a cancelled job, and of one without training', () => {
  const cancelled = {
    ...views.training,
    state: 'cancelled' as const,
    finishedAt: views.training.submittedAt + 3000,
  };
  expect(frame(cancelled).at(-1)).toBe('cancelled after 3.0 s; what it has computed stays');
  expect(frame(views.clean).at(-1)).toBe('done after 0.2 s');
});

test('watchLines() colours nothing but what it is told to', () => {
  expect(frame(views.refused).join('')).not.toContain('\x1b');
  expect(watchLines(views.refused, styleOf(true)).join('')).toContain('\x1b[31m');
});

test.each([
  ['accepted', 0],
  ['better', 0],
  ['clean', 0],
  ['failed', 1],
  ['refused', 3],
] as const)('exitOfJob(%s) is %i', (name, code) => {
  expect(exitOfJob(views[name])).toBe(code);
});

test('exitOfJob() of a cancelled job is 1', () => {
  expect(exitOfJob({ state: 'cancelled', decision: 'none' })).toBe(1);
});

test('factLines() gives every kind of fact at most a line, and says why a job failed', () => {
  const { snapshot, rows, split } = views.accepted;
  expect(factLines(found('prepare', { rows }), plain)[0]).toContain('180 dropped');
  expect(factLines(found('fit', { split }), plain)[0]).toContain('12,729 rows to train on');
  expect(factLines(found('snapshot', { snapshot } as never), plain)).toHaveLength(1);
  const error = { code: 'ROWS_NONE', message: 'Cannot go on' } as const;
  expect(factLines({ kind: 'state', state: 'failed', error }, plain)[0]).toBe(
    'error ROWS_NONE  Cannot go on',
  );
});

test('showLines() has a section for everything that a job found', () => {
  const text = showLines(views.better, plain, views.better.submittedAt + 60_000).join('\n');
  for (const part of [
    'state      succeeded, accepted',
    '(1 min 0 s ago), ran 2.5 s',
    'dropped    180 by filter(minutes is null or minutes > 0)',
    'validation after 2030-03-06T03:53:00Z',
    "standardize(impute(minutes, 'median'))",
    'VALIDATION AUC',
    'Test by stop',
    'trips version 2',
    'with 95 % confidence',
  ]) {
    expect(text).toContain(part);
  }
  expect(showLines(views.failed, plain, 0).join('\n')).toContain('error ROWS_NONE');
});

test('showLines() says for what a job stands still, and for how long', () => {
  const waitingFor = { code: 'NO_WORKER', since: 10_000 } as const;
  const view = { ...views.training, waiting: 'no worker is alive', waitingFor };
  expect(showLines(view, plain, 70_000)).toContain('waits      no worker is alive (for 1 min 0 s)');
  expect(showLines(views.training, plain, 70_000).join('\n')).not.toContain('waits');
});
