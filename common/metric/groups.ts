// Rows in groups (all of them, the baseline's, each value of a slice), and how groups of many places become one.
// In: blocks of rows; or what other places found. Out: groups in order, each with its sums and its curves.
// Why sorted and streamed: a slice may have a value a row. No more is held than a chunk of rows, LIMITS.sliceGroupsMax
// groups, and a block of each source that is merged; the rest lies in files that `spill` writes.
//
//   rows ─┬─ sums by group, in row order ──── too many groups? spill, begin anew ─┐
//         └─ curves, a chunk of rows at a time: sort by (group, key), spill ──────┴─ merge by (table, value) ─ figures
import assert from 'node:assert';
import { LIMITS } from '../limits.ts';
import type { MetricsResult } from '../stage/evaluate.ts';
import type { Metrics } from '../stage/terms.ts';
import { keysOf, mergeRuns, type Runs, runsOf } from './curve.ts';
import { figuresOf, walkCurve } from './measure.ts';
import type { CurveMetric, Numbers, RowFold, RowMetric, Scored } from './metric.ts';
import { METRICS, type MetricName } from './metrics.ts';

/** One group of one table: all rows and the baseline's are tables of one group, whose value is ''. */
export type Group = {
  readonly table: number;
  readonly value: string;
  readonly rows: number;
  /** By metric of rows, in the order of the metrics; null where only curves are told. */
  readonly sums: readonly Numbers[] | null;
  /** By metric of a curve; each is to be read once, in order, before the next group is asked for. */
  readonly curves: readonly Iterable<Runs>[];
};
/** Groups in order of table, then of the value's UTF-8 bytes. */
export type Groups = () => Iterable<Group>;
/** Puts groups where they cost no memory. */
export type Spill = (groups: Iterable<Group>) => Groups;

export const TABLE_ALL = 0;
export const TABLE_BASELINE = 1;
export const TABLE_SLICES = 2;

/** Rows of one table: `codes` are indices into `values`, which a block need not share with the next. */
export type GroupedRows = Scored & {
  readonly codes: Int32Array | null;
  readonly values: readonly string[];
};
/** The rows from row `start` on, in blocks, as often as asked for. */
export type GroupedBlocks = (start: number) => Iterable<GroupedRows>;

export type Bounds = {
  readonly chunkRows: number;
  readonly groupsMax: number;
  readonly fanIn: number;
};
const BOUNDS: Bounds = {
  chunkRows: LIMITS.metricRows,
  groupsMax: LIMITS.sliceGroupsMax,
  fanIn: LIMITS.fanIn,
};

const rowMetrics = (names: readonly MetricName[]): RowMetric[] =>
  names.map((name) => METRICS[name]).filter((metric) => metric.of === 'rows');
const curveMetrics = (names: readonly MetricName[]): CurveMetric[] =>
  names.map((name) => METRICS[name]).filter((metric) => metric.of === 'curve');

/** All that rows of one place tell of one table: sums apart from curves, whose number depends on memory alone. */
export type Table = { readonly sums: readonly Groups[]; readonly curves: readonly Groups[] };

/** Sums first: how they merge must not depend on how many curves there are. */
export const sourcesOf = (tables: readonly Table[]): readonly Groups[] => [
  ...tables.flatMap(({ sums }) => sums),
  ...tables.flatMap(({ curves }) => curves),
];

export function foldTable(
  names: readonly MetricName[],
  of: { readonly table: number; readonly blocks: GroupedBlocks; readonly spill: Spill },
  bounds = BOUNDS,
): Table {
  const [sums, curves]: [Groups[], Groups[]] = [[], []];
  for (let start: number | null = 0; start !== null; ) {
    const segment = new Segment(names, { ...of, start, bounds });
    const found = segment.run();
    sums.push(found.sums);
    curves.push(...found.curves);
    start = segment.next;
  }
  return { sums, curves };
}

type Member = { readonly value: string; rows: number; before: Numbers[]; folds: RowFold[] };

/** A run of rows of at most `groupsMax` groups: each of its metrics passes over it as often as it needs. */
class Segment {
  /** The row that the next segment begins with; null after the last. */
  next: number | null = null;
  readonly #of: {
    table: number;
    blocks: GroupedBlocks;
    spill: Spill;
    start: number;
    bounds: Bounds;
  };
  readonly #metrics: readonly RowMetric[];
  readonly #curves: readonly CurveMetric[];
  readonly #members = new Map<string, Member>();

  constructor(
    names: readonly MetricName[],
    of: { table: number; blocks: GroupedBlocks; spill: Spill; start: number; bounds: Bounds },
  ) {
    this.#of = of;
    this.#metrics = rowMetrics(names);
    this.#curves = curveMetrics(names);
  }

  run(): { readonly sums: Groups; readonly curves: readonly Groups[] } {
    const { table, spill } = this.#of;
    const chunks: Groups[] = [];
    const chunk = this.#curves.length > 0 ? this.#newChunk() : null;
    const rows = this.#pass(0, (block, row, member) => {
      if (chunk?.add(block, row, member.value)) chunks.push(spill(chunk.take()));
    });
    if (chunk) chunks.push(spill(chunk.take()));
    const passes = Math.max(1, ...this.#metrics.map(({ passes }) => passes.length));
    for (let pass = 1; pass < passes; pass++) this.#pass(pass, () => {}, rows);
    return { sums: spill(this.#sums(table)), curves: chunks };
  }

  #newChunk(): CurveChunk {
    return new CurveChunk(this.#curves, this.#of.table, this.#of.bounds.chunkRows);
  }

  /** One pass over the segment's rows; the first finds where it ends. Returns its rows. */
  #pass(
    pass: number,
    each: (block: GroupedRows, row: number, member: Member) => void,
    rows = Number.POSITIVE_INFINITY,
  ): number {
    for (const member of this.#members.values()) this.#begin(member, pass);
    let done = 0;
    for (const block of this.#of.blocks(this.#of.start)) {
      const members: (Member | undefined)[] = []; // by code of this block
      for (let row = 0; row < block.labels.length && done < rows; row++, done++) {
        const code = block.codes ? block.codes[row]! : 0;
        members[code] ??= this.#memberOf(block.codes ? block.values[code]! : '');
        const member = members[code];
        if (!member) {
          this.next = this.#of.start + done;
          this.#end(pass);
          return done;
        }
        if (pass === 0) member.rows += 1;
        for (const fold of member.folds)
          fold.add(block.scores, row * block.width, block.labels[row]!);
        each(block, row, member);
      }
      if (done >= rows) break;
    }
    this.#end(pass);
    return done;
  }

  /** Undefined where it would be one more than can be held. */
  #memberOf(value: string): Member | undefined {
    const known = this.#members.get(value);
    if (known || this.#members.size >= this.#of.bounds.groupsMax) return known;
    const member: Member = { value, rows: 0, before: this.#metrics.map(() => []), folds: [] };
    this.#begin(member, 0);
    this.#members.set(value, member);
    return member;
  }

  #begin(member: Member, pass: number): void {
    member.folds = this.#metrics.flatMap(({ passes }, i) =>
      pass < passes.length ? [passes[pass]!(member.before[i]!)] : [],
    );
  }

  #end(pass: number): void {
    for (const member of this.#members.values()) {
      const folds = member.folds.values();
      member.before = this.#metrics.map(({ passes }, i) =>
        pass < passes.length ? folds.next().value!.partial() : member.before[i]!,
      );
    }
  }

  *#sums(table: number): Generator<Group> {
    const curves = this.#curves.map(() => []);
    for (const { value, rows, before } of inOrder([...this.#members.values()])) {
      yield { table, value, rows, sums: before, curves };
    }
  }
}

/** Some rows' scores on the way to be sorted. */
class CurveChunk {
  readonly #metrics: readonly CurveMetric[];
  readonly #table: number;
  readonly #groups: Int32Array;
  readonly #keys: readonly Uint32Array[];
  readonly #positives: readonly Uint8Array[];
  #codes = new Map<string, number>();
  #rows = 0;
  #block: GroupedRows | undefined;
  #blockKeys: readonly Uint32Array[] = [];

  constructor(metrics: readonly CurveMetric[], table: number, rows: number) {
    this.#metrics = metrics;
    this.#table = table;
    this.#groups = new Int32Array(rows);
    this.#keys = metrics.map(() => new Uint32Array(rows));
    this.#positives = metrics.map(() => new Uint8Array(rows));
  }

  /** True: it is full, and to be taken. */
  add(block: GroupedRows, row: number, value: string): boolean {
    if (block !== this.#block) {
      this.#block = block;
      this.#blockKeys = this.#metrics.map(({ column }) =>
        keysOf(block.scores, { column, width: block.width }),
      );
    }
    let code = this.#codes.get(value);
    if (code === undefined) {
      code = this.#codes.size;
      this.#codes.set(value, code);
    }
    this.#groups[this.#rows] = code;
    this.#metrics.forEach(({ isPositive }, i) => {
      this.#keys[i]![this.#rows] = this.#blockKeys[i]![row]!;
      this.#positives[i]![this.#rows] = isPositive(block.labels[row]!) ? 1 : 0;
    });
    this.#rows += 1;
    return this.#rows === this.#groups.length;
  }

  /** Groups with their curves; it is empty then. */
  *take(): Generator<Group> {
    const rowsOf = splitByCode(this.#groups.subarray(0, this.#rows), this.#codes.size);
    const found = [...this.#codes].map(([value, code]) => ({ value, chosen: rowsOf[code]! }));
    for (const { value, chosen } of inOrder(found)) {
      const curves = this.#metrics.map((_metric, i) => {
        const positives = this.#positives[i]!;
        return [runsOf(this.#keys[i]!, (row) => positives[row] === 1, chosen)];
      });
      yield { table: this.#table, value, rows: 0, sums: null, curves };
    }
    this.#codes = new Map();
    this.#rows = 0;
  }
}

/** Rows of each code, ascending (counting sort). */
function splitByCode(codes: Int32Array, count: number): Uint32Array[] {
  const ends = new Uint32Array(count + 1);
  for (const code of codes) ends[code + 1]! += 1;
  for (let code = 0; code < count; code++) ends[code + 1]! += ends[code]!;
  const next = ends.slice();
  const rows = new Uint32Array(codes.length);
  codes.forEach((code, row) => {
    rows[next[code]!++] = row;
  });
  return Array.from({ length: count }, (_, code) => rows.subarray(ends[code], ends[code + 1]));
}

/** By UTF-8 bytes of the value. */
const inOrder = <T extends { readonly value: string }>(items: readonly T[]): readonly T[] =>
  items
    .map((item) => ({ item, bytes: Buffer.from(item.value) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ item }) => item);

/** Many sources as one, at most `fanIn` of them open at a time. */
export function joinGroups(
  names: readonly MetricName[],
  sources: readonly Groups[],
  of: { readonly spill: Spill; readonly fanIn?: number },
): Groups {
  const fanIn = of.fanIn ?? BOUNDS.fanIn;
  if (sources.length <= fanIn) return () => mergeGroups(names, sources);
  const joined: Groups[] = [];
  for (let at = 0; at < sources.length; at += fanIn) {
    joined.push(of.spill(mergeGroups(names, sources.slice(at, at + fanIn))));
  }
  return joinGroups(names, joined, of);
}

type Head = { readonly groups: Iterator<Group>; group: Group; bytes: Buffer };

/** Sums in the order of the sources, curves by their keys. */
export function* mergeGroups(
  names: readonly MetricName[],
  sources: readonly Groups[],
): Generator<Group> {
  const metrics = rowMetrics(names);
  let heads = sources.flatMap((source) => advance(source()[Symbol.iterator]()));
  while (heads.length > 0) {
    const least = heads.reduce((a, b) => (compareHeads(b, a) < 0 ? b : a));
    const same = heads.filter((head) => compareHeads(head, least) === 0);
    yield joinSame(
      metrics,
      same.map(({ group }) => group),
    );
    heads = heads.flatMap((head) => (same.includes(head) ? advance(head.groups) : [head]));
  }
}

function advance(groups: Iterator<Group>): Head[] {
  const { done, value } = groups.next();
  return done ? [] : [{ groups, group: value, bytes: Buffer.from(value.value) }];
}

const compareHeads = (a: Head, b: Head): number =>
  a.group.table - b.group.table || Buffer.compare(a.bytes, b.bytes);

function joinSame(metrics: readonly RowMetric[], same: readonly Group[]): Group {
  const [first] = same;
  assert(first, 'a group comes from somewhere');
  if (same.length === 1) return first;
  const sums = same
    .map((group) => group.sums)
    .filter((one) => one !== null)
    .reduce<readonly Numbers[] | null>(
      (left, right) => (left ? metrics.map(({ merge }, i) => merge(left[i]!, right[i]!)) : right),
      null,
    );
  return {
    table: first.table,
    value: first.value,
    rows: same.reduce((total, { rows }) => total + rows, 0),
    sums,
    curves: first.curves.map((_curve, i) => mergeRuns(same.map(({ curves }) => curves[i]!))),
  };
}

/** All figures, at the root of the tree. */
export function finishGroups(
  of: { readonly metrics: readonly MetricName[]; readonly slices: readonly string[] },
  groups: Iterable<Group>,
): MetricsResult {
  const tops = of.slices.map(() => new Top(LIMITS.sliceValuesMax));
  let all = { rows: 0, metrics: {} as Metrics };
  let baseline: Metrics = {};
  for (const group of groups) {
    const { table, value, rows } = group;
    if (table >= TABLE_SLICES && !tops[table - TABLE_SLICES]!.takes(rows)) continue;
    const metrics = figuresOfGroup(of.metrics, group);
    if (table === TABLE_ALL) all = { rows, metrics };
    else if (table === TABLE_BASELINE) baseline = metrics;
    else tops[table - TABLE_SLICES]!.add({ value, rows, metrics });
  }
  const slices = of.slices.map((name, i) => [name, tops[i]!.list()]);
  return { ...all, baseline, slices: Object.fromEntries(slices) };
}

function figuresOfGroup(names: readonly MetricName[], { sums, curves }: Group): Metrics {
  assert(sums, 'sums of every group are told somewhere');
  const [numbers, runs] = [sums.values(), curves.values()];
  return figuresOf(names, (name) => {
    const metric = METRICS[name];
    return metric.of === 'rows'
      ? metric.finish(numbers.next().value!)
      : walkCurve(metric, runs.next().value!);
  });
}

type Slice = MetricsResult['slices'][string][number];

/** The largest groups, equal ones in the order in which they came. */
class Top {
  readonly #most: number;
  #kept: Slice[] = [];
  #least = 0; // rows that a group must exceed

  constructor(most: number) {
    this.#most = most;
  }

  takes(rows: number): boolean {
    return rows > this.#least;
  }

  add(slice: Slice): void {
    this.#kept.push(slice);
    if (this.#kept.length >= 2 * this.#most) this.#cut();
  }

  list(): readonly Slice[] {
    this.#cut();
    return this.#kept;
  }

  #cut(): void {
    this.#kept = this.#kept.sort((a, b) => b.rows - a.rows).slice(0, this.#most);
    if (this.#kept.length === this.#most) this.#least = this.#kept.at(-1)!.rows;
  }
}
