// gristmill init without a coordinator: what it writes, what it does not write over, what a script reads.
// In: a client that answers a dataset. Out: files in a folder of the test.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ClientError } from '../../cli/client.ts';
import { run } from '../../cli/commands/init.ts';
import type { Context } from '../../cli/context.ts';
import { makeOutput } from '../../cli/print.ts';
import { systemClock } from '../../common/clock.ts';
import { tempFolder } from '../support/runner.ts';
import { column, dataset, text } from './init/dataset.ts';

const view = dataset([column('x'), column('y')], { sample: [{ late: true, x: 1, y: null }] });

function world({ isJson = false, folder = tempFolder() } = {}) {
  const said: string[] = [];
  const asked: unknown[] = [];
  const stdout = { write: (text: string) => said.push(text) };
  const context = {
    client: {
      schemaUrl: 'http://127.0.0.1:8080/schemas/job.v1.json',
      dataset: async (...call: unknown[]) => {
        asked.push(call);
        return view;
      },
    },
    out: makeOutput({ stdout, stderr: stdout, isJson, hasColours: false }),
    folder,
    program: 'gristmill',
    clock: systemClock,
  } as unknown as Context;
  const at = (path: string) => join(folder, path);
  return { context, folder, asked, said: () => said.join(''), at };
}

test('init writes a job and rows named after the dataset, and says what to type next', async () => {
  const { context, asked, said, at } = world();
  expect(await run(context, ['trips/*.parquet'], { label: 'late' })).toBe(0);
  expect(asked).toEqual([['trips/*.parquet', 'late']]);
  const job = JSON.parse(readFileSync(at('trips.job.json'), 'utf8'));
  expect(job).toMatchObject({
    $schema: 'http://127.0.0.1:8080/schemas/job.v1.json',
    name: 'trips',
    label: 'late',
    publish: { model: 'trips' },
  });
  const rows = JSON.parse(readFileSync(at('trips.rows.json'), 'utf8'));
  expect(rows).toEqual({ instances: [{ x: 1, y: null }] });
  expect(said()).toContain('\n  gristmill job submit trips.job.json --watch\n');
  expect(said()).toContain('\n  gristmill predict trips trips.rows.json\n');
});

test('init --name --out writes where it is told, and quotes what a shell would split', async () => {
  const { context, said, at } = world();
  await run(context, ['trips/*.parquet'], { label: 'late', name: 'late-trips', out: 'my jobs' });
  expect(existsSync(at('my jobs/late-trips.rows.json'))).toBe(true);
  expect(said()).toContain("gristmill job submit 'my jobs/late-trips.job.json' --watch");
});

test('init writes over nothing unless --force says so, and does not ask before it knows', async () => {
  const { context, asked, at } = world();
  writeFileSync(at('trips.rows.json'), 'mine');
  const again = run(context, ['trips/*.parquet'], { label: 'late' });
  await expect(again).rejects.toMatchObject({
    code: 'FILE_EXISTS',
    message: 'Cannot write "trips.rows.json": there is such a file, expected none',
  });
  expect(asked).toEqual([]);
  expect(existsSync(at('trips.job.json'))).toBe(false);
  await run(context, ['trips/*.parquet'], { label: 'late', force: true });
  expect(readFileSync(at('trips.rows.json'), 'utf8')).toContain('instances');
});

test('init --json prints one document: job, rows, reasons, files', async () => {
  const { context, said } = world({ isJson: true });
  await run(context, ['trips/*.parquet'], { label: 'late' });
  const { job, rows, reasons, files } = JSON.parse(said());
  expect(job.features).toHaveProperty('x');
  expect(rows.instances).toHaveLength(1);
  expect(reasons.columns.map((one: { column: string }) => one.column)).toEqual(['late', 'x', 'y']);
  expect(files).toEqual(['trips.job.json', 'trips.rows.json']);
});

test('init names the values of a text column that is given as the label', async () => {
  const { context } = world();
  const client = {
    dataset: async (_uri: string, label?: string) => {
      if (label === undefined) return dataset([text('weather', 5)]);
      throw new ClientError('Cannot learn a label of type VARCHAR', {
        code: 'SQL_TYPE',
        status: 422,
      });
    },
  };
  const asked = { ...context, client } as unknown as Context;
  const named = run(asked, ['days/*.parquet'], { label: '"weather"' });
  await expect(named).rejects.toMatchObject({
    code: 'INIT_IMPOSSIBLE',
    message: expect.stringContaining(`such as --label "weather = 'mill'"`),
  });
  const other = run(asked, ['days/*.parquet'], { label: 'upper(weather)' });
  await expect(other).rejects.toMatchObject({ code: 'SQL_TYPE' });
});

test('init refuses a name that no model may have, and a folder that cannot be', async () => {
  const { context, at } = world();
  const named = run(context, ['trips/*.parquet'], { label: 'late', name: 'Late Trips' });
  await expect(named).rejects.toMatchObject({ code: 'BAD_NAME' });
  writeFileSync(at('taken'), '');
  const inside = run(context, ['trips/*.parquet'], { label: 'late', out: 'taken/below' });
  await expect(inside).rejects.toMatchObject({
    code: 'FILE_UNWRITABLE',
    message: expect.stringContaining('a part of the path is a file'),
  });
});
