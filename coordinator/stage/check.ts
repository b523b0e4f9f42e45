// A spec checked against the columns there are: what prepare and the feature compiler start from.
// In: a spec, a schema. Out: rules, label and split key as safe SQL, typed features, the columns to keep.
// Why at submit too: a misspelt column is told in the answer to the request, not an hour later.
// Flow: [job] → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { atPointer, GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { LabelKind } from '../../common/objective/objectives.ts';
import { quoteName } from '../../common/sql.ts';
import type { PrepareProgram } from '../../common/stage/prepare.ts';
import type { RawColumn, SourceColumn } from '../../common/stage/terms.ts';
import type { CleanRule } from '../../common/wire/job/head.ts';
import type { JobSpec } from '../../common/wire/job/job.ts';
import type { Split, TrainingJob } from '../../common/wire/job/training.ts';
import type { TestSetDefinition } from '../../common/wire/model.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { findColumn } from '../compile/allowlist.ts';
import { columnTypeOf } from '../compile/features.ts';
import { castSql } from '../compile/sql.ts';
import type { FeatureSet } from '../compile/tree.ts';
import { splitKeySql } from '../plan/split.ts';
import type { CheckAnswer, CheckRequest } from './check-thread.ts';
import type { Machinery } from './context.ts';

export type CheckedSpec = {
  readonly schema: readonly SchemaColumn[];
  readonly rules: readonly { readonly name: string; readonly sql: string }[];
  readonly label: { readonly sql: string; readonly kind: LabelKind } | null;
  readonly split: { readonly sql: string; readonly by: 'time' | 'hash' } | null;
  readonly features: FeatureSet | null;
  /** Raw columns that a part keeps. */
  readonly keep: readonly SchemaColumn[];
  /** Columns that any expression reads, one of a file among them: rows are counted by it. */
  readonly source: readonly SchemaColumn[];
};

const CHECK_DEADLINE_MS = 20_000;

export function checkSpec(
  machinery: Pick<Machinery, 'child'>,
  spec: JobSpec,
  schema: readonly SchemaColumn[],
): Promise<CheckedSpec> {
  const training = spec.kind === 'training' ? spec.training : null;
  return checkAll(machinery, {
    schema,
    clean: spec.clean,
    label: training?.label ?? null,
    split: training?.split ?? null,
    features: training?.features ?? {},
    extra: training?.slices ?? [],
  });
}

/** What a training job's check has found beside. */
export type CheckedTraining = CheckedSpec & {
  readonly [K in 'label' | 'split' | 'features']: NonNullable<CheckedSpec[K]>;
};

export async function checkTraining(
  machinery: Pick<Machinery, 'child'>,
  spec: TrainingJob,
  schema: readonly SchemaColumn[],
): Promise<CheckedTraining> {
  const checked = await checkSpec(machinery, spec, schema);
  const { label, split, features } = checked;
  if (label && split && features) return { ...checked, label, split, features };
  throw new GristmillError('INTERNAL', 'Cannot check the job: the answer leaves out what it asked');
}

/** A model's test rows: its fixed clean, label and split, with the raw columns that versions read. */
export function checkTestRows(
  machinery: Pick<Machinery, 'child'>,
  { clean, label, split }: TestSetDefinition,
  { schema, columns }: { schema: readonly SchemaColumn[]; columns: readonly RawColumn[] },
): Promise<CheckedSpec> {
  return checkAll(machinery, {
    schema,
    clean,
    label,
    split,
    features: {},
    extra: columns.map(({ name }) => name),
  });
}

/** A label alone, as the survey of a dataset reads it. */
export async function checkLabel(
  { child }: Pick<Machinery, 'child'>,
  sql: string,
  schema: readonly SchemaColumn[],
): Promise<NonNullable<CheckAnswer['label']>> {
  const label = { pointer: '/label', sql };
  const request: CheckRequest = { schema, filters: [], features: {}, label };
  const answer = await child.call<CheckAnswer>('check', request, { deadlineMs: CHECK_DEADLINE_MS });
  if (answer.label) {
    atPointer('/label', () => checkReads(answer.label!.columns));
    return answer.label;
  }
  throw new GristmillError('INTERNAL', 'Cannot check a label: the answer holds none');
}

type Texts = {
  readonly schema: readonly SchemaColumn[];
  readonly clean: readonly CleanRule[];
  readonly label: string | null;
  readonly split: Split | null;
  readonly features: Readonly<Record<string, string>>;
  readonly extra: readonly string[];
};

async function checkAll({ child }: Pick<Machinery, 'child'>, texts: Texts): Promise<CheckedSpec> {
  const { schema } = texts;
  checkSchema(schema);
  const filters = texts.clean.flatMap((rule, i) =>
    'filter' in rule ? [{ pointer: `/clean/${i}/filter`, sql: rule.filter }] : [],
  );
  const request: CheckRequest = {
    schema,
    filters,
    features: texts.features,
    label: texts.label === null ? null : { pointer: '/label', sql: texts.label },
  };
  const answer = await child.call<CheckAnswer>('check', request, { deadlineMs: CHECK_DEADLINE_MS });
  const reads = new Set<string>();
  const column: FindColumn = (name, pointer) => {
    const where = pointer.slice(1).replaceAll('/', '.');
    const found = atPointer(pointer, () => findColumn([name], schema, 1, where));
    reads.add(found.name);
    return found;
  };
  const rules = rulesOf(texts.clean, answer, column);
  const split = texts.split && splitOf(texts.split, column);
  for (const { columns } of [...answer.filters, ...(answer.label ? [answer.label] : [])])
    for (const name of columns) reads.add(name);
  const kept = new Set([
    ...(answer.features?.columns.map(({ name }) => name) ?? []),
    ...texts.extra.map((name, i) => column(name, `/evaluate/slices/${i}`).name),
  ]);
  for (const name of kept) reads.add(name);
  const read = schema.filter(({ name }) => reads.has(name));
  checkReads(read.map(({ name }) => name));
  return {
    schema,
    rules,
    split,
    label: answer.label && { sql: answer.label.sql, kind: answer.label.kind },
    features: answer.features,
    keep: schema.filter(({ name }) => kept.has(name)),
    source: read.some(({ from }) => from !== 'folder') ? read : [...countable(schema), ...read],
  };
}

/** A column of the schema, or an error at this place of the spec. */
type FindColumn = (name: string, pointer: string) => SchemaColumn;

/** Reading rows by their numbers gives them this name. */
export function checkSchema(schema: readonly SchemaColumn[]): void {
  const taken = schema.find(({ name }) => name.toLowerCase() === 'file_row_number');
  if (taken) throw ownName(taken.name, 'rows are numbered under this name');
}

/** Names that begin like our own columns would be mistaken for them; unread, as an index of pandas, they are not. */
function checkReads(names: readonly string[]): void {
  const own = names.find(isOwnName);
  if (own !== undefined) throw ownName(own, 'names that begin with "__" are our own');
}

/** Any one column of a file that may be read. */
function countable(schema: readonly SchemaColumn[]): readonly SchemaColumn[] {
  const files = schema.filter(
    ({ from, unreadable }) => from !== 'folder' && unreadable === undefined,
  );
  const column = files.find(({ name }) => !isOwnName(name)) ?? files[0];
  if (!column)
    throw new GristmillError(
      'SQL_COLUMN',
      'Cannot count rows: no column of the dataset can be read',
    );
  checkReads([column.name]);
  return [column];
}

export const isOwnName = (name: string): boolean => name.startsWith('__');

const ownName = (name: string, why: string): GristmillError =>
  new GristmillError(
    'SQL_COLUMN',
    `Cannot read column ${JSON.stringify(name)}: ${why}, expected another name`,
  );

function rulesOf(
  clean: readonly CleanRule[],
  answer: CheckAnswer,
  column: FindColumn,
): CheckedSpec['rules'] {
  let next = 0;
  const rules = clean.map((rule, at) => {
    if ('filter' in rule)
      return { name: `filter(${rule.filter})`, sql: answer.filters[next++]!.sql };
    const columns = rule.require.map((name, i) => column(name, `/clean/${at}/require/${i}`));
    return {
      name: `require(${rule.require.join(', ')})`,
      sql: columns.map(({ name }) => `${quoteName(name)} IS NOT NULL`).join(' AND '),
    };
  });
  const seen = new Map<string, number>();
  return rules.map(({ name, sql }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { name: count === 1 ? name : `${name} #${count}`, sql };
  });
}

function splitOf(split: Split, column: FindColumn): NonNullable<CheckedSpec['split']> {
  const pointerOf = (name: string): string =>
    split.by === 'time' ? '/split/column' : `/split/columns/${split.columns.indexOf(name)}`;
  const canonical = (name: string) => {
    const found = column(name, pointerOf(name));
    return atPointer(pointerOf(name), () => ({
      sql: castSql(found),
      type: columnTypeOf(found.type)!,
    }));
  };
  const sql = atPointer(split.by === 'time' ? '/split/column' : '/split', () =>
    splitKeySql(split, canonical),
  );
  return { sql, by: split.by };
}

/** What is fetched of an object. */
export const fileColumns = (columns: readonly SchemaColumn[]): readonly string[] =>
  columns.filter(({ from }) => from !== 'folder').map(({ name }) => name);

export const sourceColumn = ({ name, type, from }: SchemaColumn): SourceColumn => ({
  ...{ name, type },
  ...(from ? { from } : {}),
});

export function prepareProgram(checked: CheckedSpec): PrepareProgram {
  return {
    formatVersion: 1,
    kind: 'prepare',
    columns: checked.keep.map((column) => ({
      name: column.name,
      type: columnTypeOf(column.type)!,
      sql: castSql(column),
    })),
    reads: fileColumns(checked.source),
    source: checked.source.map(sourceColumn),
    rules: checked.rules,
    label: checked.label,
    split: checked.split,
    buckets: LIMITS.buckets,
    groups: LIMITS.partGroups,
  };
}
