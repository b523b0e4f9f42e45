// Figures of rows that lie in many places: the tree of partials against all rows in one memory.
// Bits are equal where one place reads all rows; an AUC is equal wherever they lie; other sums to 1e-12.
import { expect, test } from 'vitest';
import { LIMITS } from '../../../common/limits.ts';
import { RUN_WORDS } from '../../../common/metric/curve.ts';
import {
  finishGroups,
  foldTable,
  type Group,
  type GroupedRows,
  type Groups,
  joinGroups,
  mergeGroups,
  type Spill,
  sourcesOf,
  TABLE_ALL,
  TABLE_BASELINE,
  TABLE_SLICES,
} from '../../../common/metric/groups.ts';
import { constantScores } from '../../../common/metric/measure.ts';
import { type LabelKind, OBJECTIVES } from '../../../common/objective/objectives.ts';
import { Philox } from '../../../common/random.ts';
import type { MetricsResult } from '../../../common/stage/evaluate.ts';
import { metricsOf } from '../../support/measure.ts';

const seed = Number(process.env.SEED ?? 1);
const BLOCK_RUNS = 8;

/** Groups kept in arrays, read in small blocks; counts what is open at once. */
class Memory {
  open = 0;
  openMax = 0;
  spills = 0;
  readonly spill: Spill = (groups) => {
    this.spills += 1;
    const kept = [...groups].map(({ curves, ...head }) => ({
      ...structuredClone(head),
      curves: curves.map((curve) => [...curve].map((runs) => runs.slice())),
    }));
    return () => this.#read(kept);
  };

  *#read(groups: readonly Group[]): Generator<Group> {
    this.open += 1;
    this.openMax = Math.max(this.openMax, this.open);
    for (const group of groups) {
      yield { ...group, curves: group.curves.map((curve) => this.#blocks(curve)) };
    }
    this.open -= 1;
  }

  *#blocks(curve: Group['curves'][number]): Group['curves'][number] & Generator<Uint32Array> {
    for (const runs of curve) {
      for (let at = 0; at < runs.length; at += BLOCK_RUNS * RUN_WORDS) {
        yield runs.subarray(at, at + BLOCK_RUNS * RUN_WORDS);
      }
    }
  }
}

type Row = { readonly score: number; readonly label: number; readonly value: string };

function sample(
  rows: number,
  { label, values, of }: { label: LabelKind; values: number; of: number },
): Row[] {
  const random = new Philox(of, 'order', 'groups test');
  return Array.from({ length: rows }, () => {
    const y = label === 'binary' ? Number(random.uniform() < 0.3) : random.uniform() * 50 - 10;
    const noisy = label === 'binary' ? 0.3 * y + 0.6 * random.uniform() : y + 9 * random.uniform();
    const steps = random.below(2) === 0 ? 20 : 1000;
    return {
      score: Math.fround(Math.round(noisy * steps) / steps),
      label: Math.fround(y),
      value: `v${random.below(values)}`,
    };
  });
}

const scored = (rows: readonly Row[]) => ({
  width: 1,
  scores: Float32Array.from(rows, ({ score }) => score),
  labels: Float32Array.from(rows, ({ label }) => label),
});

/** Blocks of up to seven rows, each with codes of its own. */
function* blocksOf(rows: readonly Row[], start: number, isSlice: boolean): Generator<GroupedRows> {
  for (let at = start; at < rows.length; at += 7) {
    const block = rows.slice(at, at + 7);
    const values = [...new Set(block.map(({ value }) => value))];
    const codes = Int32Array.from(block, ({ value }) => values.indexOf(value));
    yield { ...scored(block), codes: isSlice ? codes : null, values };
  }
}

type Tree = { readonly fanIn: number; readonly chunkRows: number; readonly groupsMax: number };

/** As the tasks do: a leaf reads `fanIn` parts, merges follow level by level. */
function throughTree(
  label: LabelKind,
  parts: readonly (readonly Row[])[],
  bounds: Tree,
  memory = new Memory(),
): MetricsResult {
  const names = OBJECTIVES[label].metrics;
  const { spill } = memory;
  const leaf = (rows: readonly Row[]): Groups => {
    const table = (number: number, blocks: (start: number) => Iterable<GroupedRows>) =>
      foldTable(names, { table: number, blocks, spill }, bounds);
    return joinGroups(
      names,
      sourcesOf([
        table(TABLE_ALL, (start) => blocksOf(rows, start, false)),
        table(TABLE_BASELINE, function* (start) {
          for (const block of blocksOf(rows, start, false)) {
            yield { ...block, scores: constantScores([0.5], block.labels.length) };
          }
        }),
        table(TABLE_SLICES, (start) => blocksOf(rows, start, true)),
      ]),
      { spill, fanIn: bounds.fanIn },
    );
  };
  let level = groupsOf(parts, bounds.fanIn).map((group) => spill(leaf(group.flat())()));
  while (level.length > 1) {
    level = groupsOf(level, bounds.fanIn).map((group) => spill(mergeGroups(names, group)));
  }
  return finishGroups({ metrics: names, slices: ['value'] }, level[0]!());
}

const groupsOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );

function direct(label: LabelKind, rows: readonly Row[]): MetricsResult {
  const names = OBJECTIVES[label].metrics;
  const values = [...new Set(rows.map(({ value }) => value))];
  const bySlice = values.map(
    (value) => [value, rows.filter((row) => row.value === value)] as const,
  );
  const { width, scores, labels } = scored(rows);
  return {
    rows: rows.length,
    metrics: metricsOf(names, { width, scores, labels }),
    baseline: metricsOf(names, { width, labels, scores: constantScores([0.5], rows.length) }),
    slices: {
      value: bySlice
        .map(([value, some]) => ({
          value,
          rows: some.length,
          metrics: metricsOf(names, scored(some)),
        }))
        .sort(
          (a, b) => b.rows - a.rows || Buffer.compare(Buffer.from(a.value), Buffer.from(b.value)),
        ),
    },
  };
}

/** Each part some rows; some parts none. */
function split(rows: readonly Row[], count: number): Row[][] {
  const random = new Philox(seed, 'order', 'split', count);
  const cuts = Array.from({ length: count - 1 }, () => random.below(rows.length + 1)).sort(
    (a, b) => a - b,
  );
  return Array.from({ length: count }, (_, i) =>
    rows.slice(cuts[i - 1] ?? 0, cuts[i] ?? rows.length),
  );
}

/** Rows by the letters of their values: 'aab' is two rows of a and one of b. */
const lettered = (letters: string): Row[] =>
  [...letters].map((value, i) => ({ score: i / 8, label: i % 2, value }));
const SMALL = { chunkRows: 3, groupsMax: 2, fanIn: 2 };

test('foldTable() begins another run of sums where one more group would be too many', () => {
  const rows = lettered('abcabbbbbbbb');
  const blocks = (start: number) => blocksOf(rows, start, true);
  const { sums } = foldTable(['mae'], { table: 7, blocks, spill: new Memory().spill }, SMALL);
  const told = sums.map((groups) => [...groups()].map(({ value, rows: count }) => [value, count]));
  expect(told.map((run) => run.join(' '))).toEqual(['a,1 b,1', 'a,1 c,1', 'b,8']);
});

test('foldTable() tells a curve a chunk of rows, and none where no metric is one', () => {
  const blocks = (start: number) => blocksOf(lettered('aaaaaaa'), start, true);
  const { spill } = new Memory();
  const of = { table: 7, blocks, spill };
  expect(foldTable(['auc'], of, SMALL).curves).toHaveLength(3);
  expect(foldTable(['mae'], of, SMALL)).toMatchObject({ sums: { length: 1 }, curves: [] });
});

test('foldTable() reads the rows of a run as often as its metrics need, and none behind them', () => {
  const rows = lettered(`${'a'.repeat(10)}${'b'.repeat(18)}`);
  const read: string[] = [];
  function* blocks(start: number): Generator<GroupedRows> {
    for (const block of blocksOf(rows, start, true)) {
      read.push(block.values.join(''));
      yield block;
    }
  }
  const of = { table: 7, blocks, spill: new Memory().spill };
  foldTable(['r2'], of, { ...SMALL, groupsMax: 1 });
  const [ofA, ofB] = ['a ab', 'b b b'];
  expect(read.join(' ')).toBe([ofA, ofA, ofB, ofB].join(' '));
});

test('foldTable() finds the scores of a row by how wide rows are', () => {
  const rows = lettered('abbab');
  const names = ['mae', 'auc'] as const;
  const figures = (width: number) => {
    function* blocks(start: number): Generator<GroupedRows> {
      for (const block of blocksOf(rows, start, true)) {
        const scores = [...block.scores].flatMap((score) => [score, 99].slice(0, width));
        yield { ...block, width, scores: Float32Array.from(scores) };
      }
    }
    const table = foldTable(names, { table: TABLE_SLICES, blocks, spill: new Memory().spill });
    const of = { metrics: names, slices: ['value'] };
    return finishGroups(of, mergeGroups(names, sourcesOf([table])));
  };
  expect(figures(2)).toEqual(figures(1));
});

test('joinGroups() spills only what is more than can be open at once, and nothing that is empty', () => {
  const groups: Groups = () => [{ table: 0, value: '', rows: 1, sums: [[1, 2]], curves: [] }];
  for (const [sources, spills] of [
    [1, 0],
    [2, 0],
    [3, 2],
    [4, 2],
    [5, 5], // three, then two
  ] as const) {
    const memory = new Memory();
    const given = Array.from({ length: sources }, () => groups);
    const joined = [...joinGroups(['mae'], given, { spill: memory.spill, fanIn: 2 })()];
    expect(joined).toMatchObject([{ rows: sources, value: '' }]);
    expect([sources, memory.spills]).toEqual([sources, spills]);
  }
});

test('finishGroups() refuses a group whose sums nobody told', () => {
  const group: Group = { table: TABLE_ALL, value: '', rows: 1, sums: null, curves: [] };
  expect(() => finishGroups({ metrics: ['mae'], slices: [] }, [group])).toThrow(
    'sums of every group are told somewhere',
  );
});

test('finishGroups() lists the largest groups, equal ones as they came, and reads no curve of one too small', () => {
  const most = LIMITS.sliceValuesMax;
  const [runs, reads] = [Uint32Array.of(1, 1, 1), new Set<string>()];
  function* curveOf(name: string) {
    reads.add(name);
    yield runs;
  }
  const groupOf = (rows: number, name: string): Group => ({
    ...{ table: TABLE_SLICES, value: name, rows, sums: [] },
    curves: [curveOf(name)],
  });
  const many = (count: number, rows: number, name: string) =>
    Array.from({ length: count }, (_, i) => groupOf(rows, `${name}${i}`));
  const groups = [
    ...many(most - 1, 7, 'seven'),
    ...many(most + 1, 5, 'five'), // twice as many as are listed: one of five rows is the least
    ...many(1, 4, 'four'),
    ...many(1, 5, 'late'),
    ...many(2, 6, 'six'),
    ...many(1, 9, 'nine'),
  ];
  const { slices } = finishGroups({ metrics: ['auc'], slices: ['value'] }, groups);
  const listed = slices.value!.map(({ value }) => value);
  expect(listed).toHaveLength(most);
  expect(listed.slice(0, 3)).toEqual(['nine0', 'seven0', 'seven1']);
  expect(listed.slice(-1)).toEqual([`seven${most - 2}`]);
  expect(reads).not.toContain('four0');
  expect(reads).not.toContain('late0');
  expect(reads).toContain('six1');
});

test.each(['binary', 'regression'] as const)(
  '%s: parts of one leaf give the bits of all rows in one memory, however small the chunks',
  (label) => {
    const rows = sample(500, { label, values: 9, of: seed });
    for (const count of [1, 2, 5, 8]) {
      for (const chunkRows of [1, 3, 64, 1000]) {
        const bounds = { fanIn: 8, chunkRows, groupsMax: 9 };
        expect(throughTree(label, split(rows, count), bounds)).toEqual(direct(label, rows));
      }
    }
  },
);

test.each(['binary', 'regression'] as const)(
  '%s: 1 to 300 parts through a fan-in of 4 give the same AUC, and all else within 1e-12',
  (label) => {
    for (const count of [1, 4, 5, 16, 17, 63, 64, 65, 299, 300]) {
      const rows = sample(700, { label, values: 6, of: seed + count });
      const expected = direct(label, rows);
      const found = throughTree(label, split(rows, count), {
        fanIn: 4,
        chunkRows: 50,
        groupsMax: 3,
      });
      expect(found.rows).toBe(expected.rows);
      const pairs = [
        [found.metrics, expected.metrics],
        [found.baseline, expected.baseline],
        ...found.slices.value!.map((slice, i) => {
          expect(slice).toMatchObject({ ...expected.slices.value![i]!, metrics: {} });
          return [slice.metrics, expected.slices.value![i]!.metrics];
        }),
      ] as const;
      for (const [a, b] of pairs) {
        expect(Object.keys(a!)).toEqual(Object.keys(b!));
        if (label === 'binary') expect(a!.auc).toBe(b!.auc);
        for (const [name, value] of Object.entries(b!)) {
          expect(Math.abs(a![name]! - value), name).toBeLessThan(
            1e-12 * Math.max(1, Math.abs(value)),
          );
        }
      }
    }
  },
);

test('the same parts give the same bits each time, whatever the chunks of a curve are', () => {
  const rows = sample(600, { label: 'binary', values: 40, of: seed });
  const parts = split(rows, 30);
  const once = throughTree('binary', parts, { fanIn: 4, chunkRows: 11, groupsMax: 5 });
  expect(throughTree('binary', parts, { fanIn: 4, chunkRows: 100, groupsMax: 5 })).toEqual(once);
});

test('no more sources are open at once than the fan-in, and no more groups are held than the bound', () => {
  const rows = sample(2000, { label: 'binary', values: 1000, of: seed });
  const memory = new Memory();
  const bounds = { fanIn: 4, chunkRows: 16, groupsMax: 10 };
  const found = throughTree('binary', split(rows, 50), bounds, memory);
  expect(found.metrics.auc).toBe(direct('binary', rows).metrics.auc);
  expect(memory.openMax).toBeLessThanOrEqual(bounds.fanIn);
  expect(memory.spills).toBeGreaterThan(100);
});

test('no rows give no figures', () => {
  expect(throughTree('binary', [[]], { fanIn: 4, chunkRows: 4, groupsMax: 4 })).toEqual({
    rows: 0,
    metrics: {},
    baseline: {},
    slices: { value: [] },
  });
});
