// What every job says, whatever its kind: a name, a seed, a dataset, and the rules that choose its rows.
// In: the shared sections. Out: their schema, the checks across them, and the same with every default filled in.
import Type, { type Static } from 'typebox';
import type { FieldError } from '../../errors.ts';
import { Column, checkBytes, checkRepeats, closed, Name, Sql, type SqlText } from './fields.ts';

export const CleanRule = Type.Union([
  Type.Object(
    { require: Type.Array(Column, { minItems: 1, maxItems: 1000, description: 'columns' }) },
    {
      ...closed,
      title: 'require',
      description: 'drops rows in which one of these columns is NULL',
    },
  ),
  Type.Object(
    { filter: Sql('keeps rows for which this is true; NULL drops') },
    {
      ...closed,
      title: 'filter',
      description: 'drops rows for which SQL over the columns is not true',
    },
  ),
]);
export type CleanRule = Static<typeof CleanRule>;

export const HEAD_SECTIONS = {
  $schema: Type.Optional(Type.String()),
  specVersion: Type.Literal(1, { description: 'always 1' }),
  name: Name,
  seed: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 4294967295,
      default: 0,
      description: 'of first weights and of the order of rows: the same seed gives the same bytes',
    }),
  ),
  dataset: Type.String({
    minLength: 1,
    maxLength: 1024,
    description: 'URI pattern of Parquet objects; without a scheme, below the lake',
  }),
  clean: Type.Optional(
    Type.Array(CleanRule, {
      maxItems: 64,
      default: [],
      description: 'rules that choose rows, in order: a row counts for the first that it fails',
    }),
  ),
};

const HeadSchema = Type.Object(HEAD_SECTIONS);
export type HeadInput = Static<typeof HeadSchema>;

/** The shared part of a job with every default filled in. */
export type JobHead = {
  readonly specVersion: 1;
  readonly name: string;
  readonly seed: number;
  readonly dataset: string;
  readonly clean: readonly CleanRule[];
};

export function checkHead(job: HeadInput): FieldError[] {
  const repeats = (job.clean ?? []).flatMap((rule, index) =>
    'require' in rule ? checkRepeats(`/clean/${index}/require`, rule.require) : [],
  );
  return [...repeats, ...checkBytes(headTexts(job))];
}

const headTexts = (job: Pick<HeadInput, 'clean'>): readonly SqlText[] =>
  (job.clean ?? []).flatMap((rule, index) =>
    'filter' in rule ? [{ pointer: `/clean/${index}/filter`, sql: rule.filter }] : [],
  );

export const fillHead = (job: HeadInput): JobHead => ({
  specVersion: 1,
  name: job.name,
  seed: job.seed ?? 0,
  dataset: job.dataset,
  clean: structuredClone(job.clean ?? []),
});
