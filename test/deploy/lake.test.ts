// The quickstart's lake: every real row in its month, the defects apart, the same bytes twice.
// In: the flights of vega-datasets. Out: Parquet files. Why: all figures that the quickstart prints rest on these rows.
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDuck } from '../../common/engine/duckdb.ts';
import { quoteText } from '../../common/sql.ts';
import { DEFECT_ROWS, makeLake } from '../../deploy/quickstart/lake.ts';

test('makeLake() puts every sampled row into its month and all defects into March, once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-lake-'));
  try {
    const lake = await makeLake(join(folder, 'lake'), 30_000);
    expect(lake.isNew).toBe(true);
    expect(lake.rows).toBe(30_000 + DEFECT_ROWS);
    expect(lake.first.map(({ key }) => key)).toEqual([
      'flights/month=2001-01/flights.parquet',
      'flights/month=2001-02/flights.parquet',
      'flights/month=2001-03/flights.parquet',
      'flights/month=2001-03/synthetic-defects.parquet',
      'flights/month=2001-04/flights.parquet',
      'flights/month=2001-05/flights.parquet',
    ]);
    expect(lake.later.map(({ key }) => key)).toEqual(['flights/month=2001-06/flights.parquet']);

    const paths = [...lake.first, ...lake.later].map(({ path }) => path);
    await using duck = await openDuck({
      memoryBytes: 2 ** 28,
      tempDir: join(folder, 'spill'),
      files: paths,
    });
    for (const [i, path] of paths.entries()) {
      const isSound =
        'date IS NOT NULL AND delay BETWEEN -120 AND 1800 AND distance > 0 AND origin IS NOT NULL AND destination IS NOT NULL';
      const [found] =
        await duck.rows(`SELECT count(*) FILTER (${isSound}) AS sound, count(DISTINCT month(date)) AS months,
        min(month(date)) AS month FROM read_parquet(${quoteText(path)}) WHERE date IS NULL OR date < '2001-07-01'`);
      if (i === 3) expect(found?.sound).toBe(0);
      else expect(found).toMatchObject({ months: 1, month: i < 3 ? i + 1 : i });
    }

    const again = await makeLake(join(folder, 'lake'), 30_000);
    expect(again.isNew).toBe(false);
    const other = await makeLake(join(folder, 'other'), 30_000);
    const digests = (of: typeof lake) =>
      Promise.all(
        of.first.map(async ({ path }) =>
          createHash('sha256')
            .update(await readFile(path))
            .digest('hex'),
        ),
      );
    expect(await digests(other)).toEqual(await digests(lake));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
