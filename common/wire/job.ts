// The job: what an engineer submits, as one schema that validates, documents and types it.
// In: unknown JSON. Out: a JobSpec with every default filled in, or SPEC_INVALID with a pointer per bad field.
// Flow: [job] → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import Type, { type Static } from 'typebox';
import { NAME_PATTERN } from '../ids.ts';
import { LIMITS } from '../limits.ts';

const closed = { additionalProperties: false } as const;
const Name = Type.String({ pattern: NAME_PATTERN, description: '1–63 of a–z, 0–9 and "-"' });
const Sql = (description: string) =>
  Type.String({ minLength: 1, maxLength: LIMITS.expressionBytesMax, description });
const Column = Type.String({ minLength: 1, maxLength: 256 });
const Duration = Type.String({
  pattern: '^[1-9][0-9]{0,4}[smhdw]$',
  description: 'a number and s, m, h, d or w: "30d"',
});
const Share = Type.Number({
  exclusiveMinimum: 0,
  exclusiveMaximum: 1,
  description: 'a fraction of the rows',
});

export const CleanRule = Type.Union([
  Type.Object(
    { require: Type.Array(Column, { minItems: 1, maxItems: 1000 }) },
    {
      ...closed,
      title: 'require',
      description: 'drops rows in which one of these columns is NULL',
    },
  ),
  Type.Object(
    { filter: Sql('keeps rows for which this is true; NULL drops') },
    { ...closed, title: 'filter' },
  ),
]);

export const Split = Type.Union([
  Type.Object(
    {
      by: Type.Literal('time'),
      column: Column,
      validation: Type.Union([Duration, Share]),
      test: Type.Union([Duration, Share]),
      gap: Type.Optional(
        Type.Union([Duration], { description: 'rows left out before validation and before test' }),
      ),
    },
    {
      ...closed,
      title: 'time',
      description:
        'the newest rows are test, those before them validation; durations count back from the newest row kept',
    },
  ),
  Type.Object(
    {
      by: Type.Literal('hash'),
      columns: Type.Array(Column, { minItems: 1, maxItems: 16 }),
      validation: Share,
      test: Share,
    },
    {
      ...closed,
      title: 'hash',
      description: 'by a salted hash of these columns: stable when rows are added',
    },
  ),
]);

export const ModelSpec = Type.Union([
  Type.Object(
    { kind: Type.Literal('linear') },
    { ...closed, title: 'linear', description: 'logistic or linear regression' },
  ),
  Type.Object(
    {
      kind: Type.Literal('mlp'),
      hidden: Type.Array(Type.Integer({ minimum: 1, maximum: 4096 }), { minItems: 1, maxItems: 8 }),
      categories: Type.Optional(
        Type.Literal('sum', {
          default: 'sum',
          description: 'a category adds its row to the first layer',
        }),
      ),
    },
    { ...closed, title: 'mlp' },
  ),
]);

export const TrainSpec = Type.Object(
  {
    optimizer: Type.Optional(
      Type.Union([Type.Literal('adam'), Type.Literal('sgd')], { default: 'adam' }),
    ),
    learningRate: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100, default: 0.001 })),
    momentum: Type.Optional(
      Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0.9, description: 'sgd only' }),
    ),
    batchRows: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_048_576,
        default: 4096,
        description: 'rows per step over all lanes; a multiple of lanes',
      }),
    ),
    epochs: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 3 })),
    lanes: Type.Optional(
      Type.Union(
        [1, 2, 4, 8, 16, 32, 64].map((n) => Type.Literal(n)),
        { default: 32, description: 'virtual ranks: also the most threads that can train' },
      ),
    ),
  },
  closed,
);

export const Publish = Type.Object(
  {
    model: Name,
    environment: Type.Optional(Type.String({ pattern: NAME_PATTERN, default: 'dev' })),
    alias: Type.Optional(Type.String({ pattern: NAME_PATTERN, default: 'champion' })),
  },
  closed,
);

/** The published schema of a job: /schemas/job.v1.json. */
export const JobSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    specVersion: Type.Literal(1),
    name: Name,
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 4294967295, default: 0 })),
    dataset: Type.String({
      minLength: 1,
      maxLength: 1024,
      description: 'URI pattern of Parquet objects; without a scheme, below the lake',
    }),
    clean: Type.Optional(Type.Array(CleanRule, { maxItems: 64, default: [] })),
    label: Type.Optional(Sql('BOOLEAN: binary classification; a number: regression')),
    split: Type.Optional(Split),
    features: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,62}$' }),
        Sql('a feature expression'),
        { minProperties: 1, maxProperties: 1000 },
      ),
    ),
    model: Type.Optional(ModelSpec),
    train: Type.Optional(TrainSpec),
    evaluate: Type.Optional(
      Type.Object(
        { slices: Type.Optional(Type.Array(Column, { maxItems: 8, default: [] })) },
        closed,
      ),
    ),
    publish: Type.Optional(Publish),
  },
  { ...closed, title: 'gristmill job, version 1' },
);

export type JobInput = Static<typeof JobSchema>;
export type CleanRule = Static<typeof CleanRule>;
export type Split = Static<typeof Split>;
export type ModelSpec =
  | { readonly kind: 'linear' }
  | { readonly kind: 'mlp'; readonly hidden: readonly number[]; readonly categories: 'sum' };
export type TrainSpec = {
  readonly optimizer: 'adam' | 'sgd';
  readonly learningRate: number;
  readonly momentum: number;
  readonly batchRows: number;
  readonly epochs: number;
  readonly lanes: number;
};
export type PublishSpec = {
  readonly model: string;
  readonly environment: string;
  readonly alias: string;
};

/** A job with every default filled in. `training` is absent in a job of `clean` alone. */
export type JobSpec = {
  readonly specVersion: 1;
  readonly name: string;
  readonly seed: number;
  readonly dataset: string;
  readonly clean: readonly CleanRule[];
  readonly training?: {
    readonly label: string;
    readonly split: Split;
    readonly features: Readonly<Record<string, string>>;
    readonly model: ModelSpec;
    readonly train: TrainSpec;
    readonly slices: readonly string[];
  };
  readonly publish?: PublishSpec;
};

export const JOB_STATES = [
  'queued',
  'running',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof JOB_STATES)[number];
export type Decision = 'accepted' | 'refused' | 'none';
