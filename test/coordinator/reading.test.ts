// Files as people have them, through the whole line: what a job counts, learns and serves, whatever lies in the lake.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Mill, startMill } from '../support/mill.ts';

let mill: Mill;
beforeAll(async () => {
  mill = await startMill();
});
afterAll(() => mill[Symbol.asyncDispose]());

const rowsOf = async (spec: object) => {
  const { rows, error } = await mill.run(spec);
  expect(error).toBeNull();
  return rows!;
};
/** Of a job that ends in this error. */
const failure = async (spec: object) => {
  const refused = await mill.run(spec).catch((error: unknown) => error);
  return refused instanceof Error ? refused : (refused as Awaited<ReturnType<Mill['run']>>).error!;
};
const training = {
  split: { by: 'hash', columns: ['id'], validation: 0.2, test: 0.2 },
  model: { kind: 'linear' },
  train: { optimizer: 'adam', learningRate: 0.1, batchRows: 64, epochs: 1, lanes: 2 },
};

test('NaN is missing wherever SQL meets it, however rows lie in files', async () => {
  const rows = `SELECT i AS id, CASE WHEN i % 10 = 0 THEN 'nan'::DOUBLE ELSE (i * 37) % 100 END AS delay
    FROM range(2000) t(i)`;
  await mill.put('nan/one/a.parquet', rows);
  for (let day = 0; day < 5; day++)
    await mill.put(
      `nan/days/${day}.parquet`,
      `SELECT * FROM (${rows}) WHERE id % 5 = ${day} AND (isnan(delay) OR delay < 1000)`,
    );
  await mill.put('nan/days/5.parquet', "SELECT 1::BIGINT AS id, 'nan'::DOUBLE AS delay LIMIT 0");
  const seen = async (dataset: string, rule: object) =>
    (await rowsOf({ dataset, clean: [rule] })).rowsOut;
  const rules = [
    [{ filter: 'delay > 15' }, 1520],
    [{ filter: 'delay between -1 and 1000' }, 1800],
    [{ filter: 'not (delay <= 15)' }, 1520],
    [{ filter: 'isnan(delay)' }, 200],
    [{ filter: 'delay is null' }, 200],
    [{ filter: 'delay - delay = 0' }, 1800],
    [{ filter: 'coalesce(delay, -5) = -5' }, 200],
    [{ filter: '(delay / 0 - delay / 0) is null' }, 2000],
    [{ filter: 'greatest(delay / 0 - delay / 0, 3) = 3' }, 2000],
    [{ require: ['delay'] }, 1800],
  ] as const;
  for (const [rule, out] of rules) {
    expect([rule, await seen('nan/one/*', rule)]).toEqual([rule, out]);
    expect([rule, await seen('nan/days/*', rule)]).toEqual([rule, out]);
  }
  const labelled = { ...training, label: 'delay > 15', features: { id: 'standardize(id)' } };
  const one = await rowsOf({ dataset: 'nan/one/*', ...labelled });
  expect(one).toMatchObject({ rowsOut: 1800, dropped: { 'label is missing': 200 } });
  expect(await rowsOf({ dataset: 'nan/days/*', ...labelled })).toEqual(one);
}, 120_000);

test('a field of a struct that is NaN is missing, too', async () => {
  await mill.put(
    'nested/a.parquet',
    "SELECT {'x': CASE WHEN i % 2 = 0 THEN 'nan'::DOUBLE ELSE i END, 'y': 1} AS s FROM range(100) t(i)",
  );
  const { rowsOut } = await rowsOf({ dataset: 'nested/*', clean: [{ filter: 's.x > 0' }] });
  expect(rowsOut).toBe(50);
});

test('folders are columns of text as it stands, in batch and in serving', async () => {
  for (const [i, store] of ['007', 'saint%20denis', '__HIVE_DEFAULT_PARTITION__'].entries())
    await mill.put(
      `hive/year=2024/store=${store}/part-0.parquet`,
      `SELECT i * 3 + ${i} AS id, (i % 7 + 3 * ${i}) % 5 AS amount, ${i} <> 1 AS returned FROM range(300) t(i)`,
    );
  await mill.lake.create('hive/_SUCCESS', new Uint8Array());
  const filtered = await rowsOf({
    dataset: 'hive/**/*.parquet',
    clean: [{ filter: "store = '007' and year::integer = 2024" }],
  });
  expect(filtered).toMatchObject({ rowsIn: 900, rowsOut: 300 });
  expect(await rowsOf({ dataset: 'hive', clean: [{ require: ['store'] }] })).toMatchObject({
    rowsOut: 600,
  });
  const view = await mill.run({
    ...{ dataset: 'hive', name: 'stores', ...training, label: 'returned' },
    features: { store: 'vocabulary(store, 5)', amount: 'standardize(amount)' },
    train: { ...training.train, epochs: 30 },
    publish: { model: 'stores' },
  });
  expect(view).toMatchObject({ error: null, state: 'succeeded', published: { version: 1 } });
  const { predictions } = await mill.predict('stores', [
    { store: '007', amount: 1 },
    { store: 'saint denis', amount: 1 },
    { store: null, amount: 1 },
  ]);
  const [seven, denis] = predictions as number[];
  expect(seven).toBeGreaterThan(0.6);
  expect(denis).toBeLessThan(0.4);
}, 60_000);

test('columns that come, go and widen from file to file are one column', async () => {
  const month = (n: number, columns: string) =>
    mill.put(
      `months/${n}.parquet`,
      `SELECT i + ${n * 1000} AS id, ${columns} FROM range(100) t(i)`,
    );
  await month(1, "i::INTEGER AS x, (TIMESTAMP '2024-01-01' + to_minutes(i))::TIMESTAMP_NS AS at");
  await month(2, "i::BIGINT AS x, TIMESTAMP '2024-02-01' + to_minutes(i) AS at, i AS extra");
  await month(3, "i::DOUBLE + 0.5 AS x, DATE '2024-03-01' AS at, 'text' AS odd");
  await month(4, '1 AS odd, i::FLOAT AS x');
  const view = await mill.run({ dataset: 'months/*', clean: [{ filter: 'x >= 50' }] });
  expect(view.rows).toMatchObject({ rowsIn: 400, rowsOut: 200 });
  expect(view.snapshot!.differences).toEqual([
    { column: 'x', absent: 0, types: ['INTEGER', 'BIGINT', 'FLOAT'], object: 'months/1.parquet' },
    { column: 'at', absent: 1, types: ['TIMESTAMP_NS', 'DATE'], object: 'months/1.parquet' },
    { column: 'extra', absent: 3, types: [], object: 'months/1.parquet' },
    { column: 'odd', absent: 2, types: ['INTEGER'], object: 'months/1.parquet' },
  ]);
  const by = async (filter: string) =>
    (await rowsOf({ dataset: 'months/*', clean: [{ filter }] })).rowsOut;
  expect(await by('extra is null')).toBe(300);
  expect(await by('extra >= 50')).toBe(50);
  expect(await by('"at" >= TIMESTAMP \'2024-02-01\'')).toBe(200);
  expect(await failure({ dataset: 'months/*', clean: [{ filter: 'odd is null' }] })).toMatchObject({
    code: 'SCHEMA_DRIFT',
    message: expect.stringMatching(
      /"odd".* VARCHAR in months\/3.parquet and INTEGER in months\/4.parquet/,
    ),
  });
});

test('a whole number that a float cannot hold is told, not rounded', async () => {
  await mill.put('big/1.parquet', 'SELECT 0.5::DOUBLE AS x');
  await mill.put('big/2.parquet', 'SELECT 9007199254740993 AS x');
  expect(await failure({ dataset: 'big/*', clean: [{ filter: 'x > 0' }] })).toMatchObject({
    code: 'SCHEMA_DRIFT',
    message: expect.stringMatching(/big\/2.parquet.*beyond 2\^53/),
  });
});

test('what nobody reads stops no job: names, metadata of maps, bytes, types', async () => {
  const kv = `, KV_METADATA {geo: '{"version":"1.0.0","primary_column":"g","columns":{"g":{"encoding":"WKB","crs":"EPSG:4326","geometry_types":[]}}}'}`;
  await mill.put('odd/a.parquet', "SELECT 1 AS id, '\\xFF'::BLOB AS g, INTERVAL 1 DAY AS i", kv);
  const twice = await mill.parquet('SELECT 1 AS id, 0.5 AS "Amount", 1.5 AS "bmount"');
  const bytes = Buffer.from(twice.toString('latin1').replaceAll('bmount', 'amount'), 'latin1');
  await mill.lake.create('case/a.parquet', bytes);
  expect(await rowsOf({ dataset: 'odd/*', clean: [{ filter: 'id = 1' }] })).toMatchObject({
    rowsOut: 1,
  });
  expect(await rowsOf({ dataset: 'case/*', clean: [{ filter: 'id = 1' }] })).toMatchObject({
    rowsOut: 1,
  });
  expect(await rowsOf({ dataset: 'case/*', clean: [{ filter: 'Amount = 0.5' }] })).toMatchObject({
    rowsOut: 1,
  });
});

test('text without annotation and UUIDs are text', async () => {
  await mill.put(
    'texts/a.parquet',
    `SELECT ('c' || i % 3)::BLOB AS carrier, md5((i % 50)::VARCHAR)::UUID AS id, i % 3 = 0 AS y FROM range(600) t(i)`,
  );
  const view = await mill.run({
    ...{ dataset: 'texts/*', ...training, label: 'y' },
    features: { carrier: 'vocabulary(carrier, 5)' },
  });
  expect(view.error).toBeNull();
  expect(view.features![0]!.fitted).toContain('c0');
});

test('hundreds of small files are prepared in packs, and give what one file gives', async () => {
  const select = (i: number) =>
    `SELECT (j * 7 + ${i}) % 97 AS amount, j % 5 = ${i} AS late, ${i} * 1000 + j AS id FROM range(20) t(j)`;
  const contents = await Promise.all(
    [0, 1, 2].map((i) =>
      mill.parquet(i === 1 ? `SELECT * EXCLUDE (amount) FROM (${select(i)})` : select(i)),
    ),
  );
  for (let i = 0; i < 600; i++)
    await mill.lake.create(`small/day=${i % 7}/${i}.parquet`, contents[i % 3]!);
  await mill.lake.create(
    'small/day=3/large.parquet',
    await mill.parquet(`${select(0)} UNION ALL ${select(2)}`),
  );
  const spec = {
    ...{ dataset: 'small/**/*.parquet', ...training, label: 'late' },
    clean: [{ filter: "day <> '6'" }],
    features: { amount: "standardize(impute(amount, 'mean'))", day: 'vocabulary(day, 10)' },
    publish: { model: 'small' },
  };
  const view = await mill.run(spec);
  expect(view).toMatchObject({ state: 'succeeded', error: null });
  expect(view.rows).toMatchObject({ rowsIn: 12_040, rowsOut: 12_040 - 85 * 20 });
  const tasks = view.stages.find(({ stage }) => stage === 'prepare')!.tasks.total;
  expect(tasks).toBeGreaterThan(2);
  expect(tasks).toBeLessThan(20);
  expect(view.proof!.rows).toBeGreaterThan(100);
  const answer = await mill.predict('small', [
    { amount: 3, day: '2' },
    { amount: null, day: '9' },
  ]);
  expect(answer.predictions).toHaveLength(2);
}, 120_000);
