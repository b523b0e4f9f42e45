// A dataset looked at by real processes: figures, errors, a worker that is killed meanwhile.
// In: the trips of the line. Out: what GET /v1/schema answers, and what it leaves in the store.
import { once } from 'node:events';
import { expect, test } from 'vitest';
import type { DatasetView } from '../../common/wire/survey.ts';
import { startLine } from '../support/line.ts';

test('a dataset is looked at by workers; one that is killed meanwhile is replaced', async () => {
  await using line = await startLine({ workers: 1, months: 3, rows: 30_000 });
  const look = async (query: Record<string, string>): Promise<Response> =>
    fetch(`${line.coordinatorUrl}/v1/schema?${new URLSearchParams(query)}`);

  // ── a first look waits for the worker that is starting ─────────────────────────────────────
  const answer = await look({ uri: 'trips/*.parquet', label: 'late' });
  expect(answer.status).toBe(200);
  const view = (await answer.json()) as DatasetView;
  expect(view).toMatchObject({ objects: 3, footers: 3, rows: 90_000, sampledRows: 60_000 });
  expect(view.label).toMatchObject({ kind: 'binary', columns: ['late'], missing: 0 });
  const by = Object.fromEntries(view.columns.map((column) => [column.name, column]));
  expect(by.departed).toMatchObject({ kind: 'time', nulls: 0, min: '2030-01-01T00:00:00Z' });
  expect(by.minutes).toMatchObject({ kind: 'number', min: -1, max: 44 });
  expect(by.stop).toMatchObject({ kind: 'text', distinct: 4 });
  expect(view.sample).toHaveLength(3);

  // ── asked again, it is found; other questions are told what is wrong ───────────────────────
  const again = await look({ uri: 'trips/*.parquet', label: 'late' });
  expect(await again.json()).toEqual(view);
  const wrong = async (query: Record<string, string>): Promise<unknown> =>
    (await look(query)).json();
  expect(await wrong({})).toMatchObject({ code: 'REQUEST_INVALID', errors: [{ pointer: '/uri' }] });
  expect(await wrong({ uri: 'nowhere/*' })).toMatchObject({ code: 'INPUT_EMPTY' });
  expect(await wrong({ uri: 'file:///etc/*' })).toMatchObject({ code: 'INPUT_OUTSIDE' });
  expect(await wrong({ uri: 'trips/*.parquet', label: 'lat' })).toMatchObject({
    code: 'SQL_COLUMN',
    errors: [{ pointer: '/label' }],
  });

  // ── a worker dies with a task in its hands; another one does it ────────────────────────────
  await line.kill('worker1');
  const dying = line.start('worker2', 'worker', { GRISTMILL_CRASH: 'task.afterFetch' });
  const died = once(dying, 'exit');
  const other = look({ uri: 'trips/*.parquet', label: 'minutes' });
  expect(await died).toEqual([null, 'SIGKILL']);
  line.start('worker3', 'worker');
  const late = await other;
  expect(late.status).toBe(200);
  expect(((await late.json()) as DatasetView).label).toMatchObject({ kind: 'regression', min: -1 });
}, 120_000);
