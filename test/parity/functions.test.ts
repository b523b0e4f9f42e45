// Each feature function on each odd input of its table, in both targets.
// In: FUNCTIONS. Out: SQL, ONNX and the table agree. Why derived: a function without its row cannot exist.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Duck } from '../../common/engine/duckdb.ts';
import { parseTime, TIME_MISSING } from '../../common/predict/rows.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { FUNCTIONS } from '../../coordinator/compile/functions.ts';
import {
  levelCount,
  levelStatistics,
  missingStatistics,
} from '../../coordinator/compile/levels.ts';
import { EXAMPLE_FITTED, type FeatureFunction, PROBES } from '../../coordinator/compile/probes.ts';
import { type FittedValues, rawColumns } from '../../coordinator/compile/sql.ts';
import type { FeatureSet } from '../../coordinator/compile/tree.ts';
import { bySql, compileFeatures, openTestDuck, runGraph } from './both.ts';

const SCHEMA: readonly SchemaColumn[] = [
  { name: 'x', type: 'DOUBLE' },
  { name: 's', type: 'VARCHAR' },
  { name: 't', type: 'TIMESTAMP' },
];

let duck: Duck;
beforeAll(async () => {
  duck = await openTestDuck();
});
afterAll(() => duck[Symbol.asyncDispose]());

/** The columns of the example's first argument, past the casts of prepare: infinite numbers may be computed. */
async function makeProbes(
  name: string,
  values: readonly (number | string | null)[],
): Promise<void> {
  const type = SCHEMA.find((column) => column.name === name)!.type;
  const rows = values.map((value) => (value === null ? '(NULL)' : `('${value}'::${type})`));
  await duck.run(
    `CREATE OR REPLACE TEMP TABLE part AS SELECT * FROM (VALUES ${rows.join(', ')}) v("${name}")`,
  );
  if (name === 't') {
    await duck.run(`UPDATE part SET t = NULL WHERE t >= make_timestamp(253402300800000000)`);
  }
}

function fittedExample(set: FeatureSet): FittedValues {
  const fitted: Record<string, FittedValues[string]> = {};
  for (let level = 0; level < levelCount(set); level++) {
    for (const { id, kind } of levelStatistics(set, level, fitted)) {
      if (kind !== 'missing') fitted[id] = EXAMPLE_FITTED[kind];
    }
  }
  return fitted;
}

describe.each(FUNCTIONS.map((row) => [row.example, row] as const))(
  '%s',
  (_, row: FeatureFunction) => {
    test('gives what its table says, in SQL and in ONNX', async () => {
      const set = await compileFeatures(duck, { f: row.example }, SCHEMA);
      const [input] = rawColumns(set);
      const kind = ({ number: 'number', string: 'text', time: 'time' } as const)[input!.type];
      const probes = Object.entries(PROBES[kind]) as [string, number | string | null][];
      expect(Object.keys(row.on)).toEqual(probes.map(([name]) => name));
      await makeProbes(
        input!.name,
        probes.map(([, value]) => value),
      );
      const fitted = fittedExample(set);
      const sql = await bySql(duck, set, fitted);
      const onnx = await runGraph(set, fitted, {
        rows: probes.length,
        columns: {
          [input!.name]: columnOf(
            kind,
            probes.map(([, value]) => value),
          ),
        },
        ignoredFields: 0,
      });
      const wanted = probes.map(([name]) => row.on[name]!);
      if (row.gives === 'category') {
        expect(sql.codes).toEqual(wanted);
        expect(onnx.codes).toEqual(wanted);
        return;
      }
      const inputs = wanted.map((value) =>
        Math.fround(Math.min(1e30, Math.max(-1e30, value ?? 0))),
      );
      inputs.forEach((value, i) => {
        expect(sql.numbers[i], `sql on ${probes[i]![0]}`).toBeCloseTo(value, 6);
        expect(onnx.numbers[i], `onnx on ${probes[i]![0]}`).toBeCloseTo(value, 6);
      });
      const [missing] = missingStatistics(set, fitted);
      const found = await duck.rows(`SELECT (${missing!.sql}) AS missing FROM part`);
      expect(found.map((r) => r.missing)).toEqual(wanted.map((value) => value === null));
    });
  },
);

function columnOf(kind: 'number' | 'text' | 'time', values: readonly (number | string | null)[]) {
  if (kind === 'number')
    return Float64Array.from(values, (v) => (v === null ? Number.NaN : (v as number)));
  if (kind === 'text') return values.map((v) => (v === null ? '' : String(v)));
  return BigInt64Array.from(values, (v) => {
    if (v === null) return TIME_MISSING;
    return parseTime(String(v)) ?? 253402300800000000n;
  });
}
