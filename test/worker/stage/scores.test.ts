// ValueBook, ScoreFiles and the files of groups: what is written comes back, from any row, and nothing else passes.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { TaskId } from '../../../common/ids.ts';
import type { Group } from '../../../common/metric/groups.ts';
import type { ScoreResult } from '../../../common/stage/evaluate.ts';
import { readGroups, writeGroups } from '../../../worker/stage/group-file.ts';
import type { Prepared } from '../../../worker/stage/runner.ts';
import { pairBlocks, ScoreFiles } from '../../../worker/stage/scores.ts';
import { ValueBook } from '../../../worker/stage/value-book.ts';

const folder = await mkdtemp(join(tmpdir(), 'gristmill-scores-'));
afterAll(() => rm(folder, { recursive: true }));

type Row = { readonly scores: readonly number[]; readonly label: number; readonly value: string };
type Bounds = { readonly valuesMax: number; readonly charactersMax: number };
let files = 0;

/** Parts as scoring tasks leave them, with one slice. */
async function partsOf(parts: readonly (readonly Row[])[], bounds: Bounds) {
  const prepared = { json: {} as Record<TaskId, unknown>, files: {} as Record<string, string> };
  const tasks: TaskId[] = [];
  for (const rows of parts) {
    const id = `part-${files++}`;
    const paths = { scores: join(folder, id), values: join(folder, `${id}.values`) };
    const book = new ValueBook(paths.values, bounds);
    const words = rows.flatMap(({ scores, label, value }) => {
      const floats = Float32Array.from([...scores, label]);
      return [...new Int32Array(floats.buffer), book.code(value)];
    });
    await writeFile(paths.scores, Buffer.from(Int32Array.from(words).buffer));
    const few = book.few();
    const refOf = (key: string) => ({ key, sha256: '' as never, bytes: 0 });
    const result: ScoreResult = {
      rows: rows.length,
      scores: rows.length > 0 ? refOf(paths.scores) : null,
      slices: ['s'],
      sliceValues: few ? { s: few } : {},
      ...(few
        ? {}
        : { sliceFiles: { s: { blob: refOf(paths.values), pageBytes: book.close().pageBytes } } }),
    };
    prepared.files[paths.scores] = paths.scores;
    prepared.files[paths.values] = paths.values;
    prepared.json[id as TaskId] = { result };
    tasks.push(id as TaskId);
  }
  return { prepared: prepared as unknown as Prepared, tasks };
}

const rowsOf = (count: number, width: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({
    scores: Array.from({ length: width }, (_x, k) => Math.fround(i + k / 10)),
    label: i % 3,
    value: `é"${(i * 7) % 11}`,
  }));

test.each([1, 3])(
  'ScoreFiles gives rows of width %d back from any row on, through pages of values',
  async (width) => {
    const rows = rowsOf(40, width);
    for (const bounds of [
      { valuesMax: 3, charactersMax: 1000 },
      { valuesMax: 100, charactersMax: 9 },
      { valuesMax: 100, charactersMax: 1000 },
    ]) {
      const { prepared, tasks } = await partsOf([rows.slice(0, 17), [], rows.slice(17)], bounds);
      const scores = new ScoreFiles(prepared, { tasks, width, blockRows: 6 });
      expect(scores.rows).toBe(40);
      for (const start of [0, 1, 16, 17, 39, 40]) {
        const found: Row[] = [];
        for (const block of scores.blocks({ start, slice: 's' })) {
          block.labels.forEach((label, i) => {
            const own = [...block.scores.subarray(i * width, (i + 1) * width)];
            found.push({ scores: own, label, value: block.values[block.codes![i]!]! });
          });
        }
        expect(found).toEqual(rows.slice(start));
      }
    }
  },
);

test('ValueBook keeps few values at hand and writes no file for them', async () => {
  const book = new ValueBook(join(folder, 'none'), { valuesMax: 3, charactersMax: 100 });
  expect(['b', 'a', 'b', ''].map((value) => book.code(value))).toEqual([0, 1, 0, 2]);
  expect(book.few()).toEqual(['b', 'a', '']);
});

test('ValueBook gives a value of a page that is gone a new code', () => {
  const book = new ValueBook(join(folder, 'pages'), { valuesMax: 2, charactersMax: 100 });
  expect(['a', 'b', 'c', 'a', 'b'].map((value) => book.code(value))).toEqual([0, 1, 2, 3, 4]);
  expect(book.few()).toBeUndefined();
  expect(book.close().pageBytes).toEqual([10, 10, 6]);
});

test('ScoreFiles refuses a file that is shorter or longer than its rows', async () => {
  const { prepared, tasks } = await partsOf([rowsOf(4, 1)], { valuesMax: 9, charactersMax: 99 });
  const read = (width: number) => [...new ScoreFiles(prepared, { tasks, width }).blocks()];
  expect(() => read(2)).toThrow('the file is shorter than the 64 bytes expected');
  expect(() => read(0)).toThrow('the file is longer than the 32 bytes expected');
});

test('pairBlocks() pairs rows across parts of different sizes', async () => {
  const rows = rowsOf(20, 1);
  const bounds = { valuesMax: 99, charactersMax: 999 };
  const one = await partsOf([rows.slice(0, 3), rows.slice(3)], bounds);
  const two = await partsOf(
    [rows.slice(0, 3), rows.slice(3)].map((part) =>
      part.map((row) => ({ ...row, scores: [-row.scores[0]!] })),
    ),
    bounds,
  );
  const [a, b] = [one, two].map(
    ({ prepared, tasks }) => new ScoreFiles(prepared, { tasks, width: 1, blockRows: 4 }),
  );
  const blocks = [...pairBlocks(a!, b!, 7)];
  expect(blocks.map(({ labels }) => labels.length)).toEqual([7, 7, 6]);
  expect(blocks.flatMap(({ champion }) => [...champion])).toEqual(
    rows.map(({ scores }) => scores[0]),
  );
  expect(blocks.flatMap(({ challenger }) => [...challenger])).toEqual(
    rows.map(({ scores }) => -scores[0]!),
  );
});

test('readGroups() gives back what writeGroups() wrote, also where a curve is left unread', () => {
  const long = Uint32Array.from({ length: 60_000 }, (_, i) => i);
  const groups: Group[] = [
    {
      table: 0,
      value: '',
      rows: 3,
      sums: [[1, 2.5], [-0.1]],
      curves: [[Uint32Array.of(1, 2, 3)], []],
    },
    {
      table: 2,
      value: 'ü\n',
      rows: 1,
      sums: null,
      curves: [[long, Uint32Array.of(7, 8, 9)], [Uint32Array.of(4, 5, 6)]],
    },
    { table: 2, value: 'z', rows: 9, sums: [[0], [1]], curves: [[], []] },
  ];
  const path = join(folder, 'groups');
  writeGroups(path, groups);
  const read = readGroups(path, { curves: 2 });
  const flat = (curve: Iterable<Uint32Array>): number[] => [...curve].flatMap((runs) => [...runs]);
  function* mapped(from: Iterable<Group>) {
    for (const { curves, ...head } of from) yield { ...head, curves: curves.map(flat) };
  }
  expect([...mapped(read())]).toEqual([...mapped(groups)]);
  const heads = [...read()].map(({ value }) => value);
  expect(heads).toEqual(['', 'ü\n', 'z']);
  const half: number[] = [];
  for (const { curves } of read()) {
    const first = curves[0]![Symbol.iterator]().next();
    if (!first.done) half.push(first.value.length);
  }
  expect(half).toEqual([3, 60_000]);
});
