// The job: what an engineer submits, as one schema that validates, documents and types it.
// In: unknown JSON. Out: a JobSpec with every default filled in, or SPEC_INVALID with a pointer per bad field.
// Flow: [job] → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import Type, { type Static } from 'typebox';
import { type FieldError, GristmillError } from '../errors.ts';
import { NAME_PATTERN } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { explainSchema, show } from './explain.ts';
import { parseStrictJson } from './json.ts';

/** Reads a submitted job: BODY_TOO_LARGE, BAD_JSON, or SPEC_INVALID with every wrong field at once. */
export function parseJob(bytes: Uint8Array): JobSpec {
  if (bytes.length > LIMITS.bodyBytesMax) {
    throw new GristmillError(
      'BODY_TOO_LARGE',
      `Cannot accept the job: it has ${bytes.length} bytes, expected at most ${LIMITS.bodyBytesMax}`,
    );
  }
  return checkJob(parseStrictJson(bytes, 'the job'));
}

/** As parseJob, for a value that is already JSON: a stored spec. The result is frozen. */
export function checkJob(value: unknown): JobSpec {
  const shape = explainSchema(JobSchema, value);
  const errors = shape.length > 0 ? shape : checkAcross(value as JobInput);
  if (errors.length > 0) throw specInvalid(errors);
  return deepFreeze(fillDefaults(value as JobInput));
}

/** The schema that clients may fetch and editors may use. */
export function jobSchemaJson(): Readonly<Record<string, unknown>> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: '/schemas/job.v1.json',
    ...(JSON.parse(JSON.stringify(JobSchema)) as Record<string, unknown>),
  };
}

const closed = { additionalProperties: false } as const;
const nameRule = 'a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit';
const Name = Type.String({ pattern: NAME_PATTERN, description: nameRule });
const Sql = (description: string) =>
  Type.String({ minLength: 1, maxLength: LIMITS.expressionBytesMax, description });
const Column = Type.String({ minLength: 1, maxLength: 256, description: 'the name of a column' });
const DURATION = '^[1-9][0-9]{0,4}[smhdw]$';
const Duration = Type.String({
  pattern: DURATION,
  description: 'a duration such as "30d" (a number and s, m, h, d or w)',
});
const Share = Type.Number({
  exclusiveMinimum: 0,
  exclusiveMaximum: 1,
  description: 'a fraction of the rows between 0 and 1',
});

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

export const Split = Type.Union([
  Type.Object(
    {
      by: Type.Literal('time'),
      column: Type.String({ minLength: 1, maxLength: 256, description: 'a column of times' }),
      validation: Type.Union([Duration, Share]),
      test: Type.Union([Duration, Share]),
      gap: Type.Optional(
        Type.String({
          pattern: DURATION,
          description: 'rows left out before validation and before test, a duration such as "1d"',
        }),
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
      columns: Type.Array(Column, {
        minItems: 1,
        maxItems: 16,
        description: 'rows that agree in these stay together',
      }),
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
      hidden: Type.Array(Type.Integer({ minimum: 1, maximum: 4096 }), {
        minItems: 1,
        maxItems: 8,
        description: 'units of each hidden layer',
      }),
      categories: Type.Optional(
        Type.Literal('sum', {
          default: 'sum',
          description: 'a category adds its row to the first layer',
        }),
      ),
    },
    { ...closed, title: 'mlp', description: 'layers of rectified linear units' },
  ),
]);

export const TrainSpec = Type.Object(
  {
    optimizer: Type.Optional(
      Type.Union([Type.Literal('adam'), Type.Literal('sgd')], { default: 'adam' }),
    ),
    learningRate: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 100,
        default: 0.001,
        description: 'size of a step',
      }),
    ),
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
    epochs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 3, description: 'passes over all rows' }),
    ),
    lanes: Type.Optional(
      Type.Union(
        [1, 2, 4, 8, 16, 32, 64].map((n) => Type.Literal(n)),
        { default: 32, description: 'virtual ranks: also the most threads that can train' },
      ),
    ),
  },
  { ...closed, description: 'how the model learns' },
);

export const Publish = Type.Object(
  {
    model: Name,
    environment: Type.Optional(
      Type.String({ pattern: NAME_PATTERN, default: 'dev', description: nameRule }),
    ),
    alias: Type.Optional(
      Type.String({ pattern: NAME_PATTERN, default: 'champion', description: nameRule }),
    ),
  },
  { ...closed, description: 'where the version goes: absent, the job ends with its evaluation' },
);

/** The published schema of a job: /schemas/job.v1.json. */
export const JobSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    specVersion: Type.Literal(1, { description: 'always 1' }),
    name: Name,
    seed: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 4294967295,
        default: 0,
        description:
          'of first weights and of the order of rows: the same seed gives the same bytes',
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
    label: Type.Optional(Sql('SQL; BOOLEAN: binary classification, a number: regression')),
    split: Type.Optional(Split),
    features: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,62}$' }),
        Sql('a feature expression'),
        {
          ...closed,
          minProperties: 1,
          maxProperties: 1000,
          description: 'name → expression: a letter or "_", then letters, digits and "_"',
        },
      ),
    ),
    model: Type.Optional(ModelSpec), // absent: linear
    train: Type.Optional(TrainSpec),
    evaluate: Type.Optional(
      Type.Object(
        {
          slices: Type.Optional(
            Type.Array(Column, {
              maxItems: 8,
              default: [],
              description: 'columns: metrics are told for each of their values, too',
            }),
          ),
        },
        { ...closed, description: 'what is measured on test rows beside the metrics' },
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

function specInvalid(errors: readonly FieldError[]): GristmillError {
  const [first, ...others] = errors as [FieldError, ...FieldError[]];
  const where = first.pointer === '' ? 'it' : first.pointer;
  const more = others.length === 0 ? '' : ` (and ${others.length} more: see "errors")`;
  const message = `Cannot accept the job: ${where} ${first.detail}${more}`;
  return new GristmillError('SPEC_INVALID', message, { errors });
}

/** What a schema cannot say: rules between fields. */
function checkAcross(job: JobInput): FieldError[] {
  return [
    ...checkTogether(job),
    ...checkSplit(job.split),
    ...checkTrain(job.train),
    ...checkRepeats(job),
    ...checkBytes(job),
  ];
}

const TRAINING = ['label', 'split', 'features'] as const;
const NEEDS_TRAINING = [...TRAINING, 'model', 'train', 'evaluate', 'publish'] as const;

function checkTogether(job: JobInput): FieldError[] {
  const present = NEEDS_TRAINING.filter((name) => job[name] !== undefined);
  if (present.length === 0) return [];
  const because = present.map(show).join(', ');
  return TRAINING.filter((name) => job[name] === undefined).map((name) => ({
    pointer: `/${name}`,
    detail: `is missing: a job with ${because} trains a model, which needs "label", "split" and "features"`,
  }));
}

function checkSplit(split: Split | undefined): FieldError[] {
  if (!split) return [];
  const { validation, test } = split;
  if (typeof validation !== typeof test) {
    const detail = `is ${show(test)} while validation is ${show(validation)}`;
    return [
      { pointer: '/split/test', detail: `${detail}, expected two durations or two fractions` },
    ];
  }
  if (typeof validation === 'number' && typeof test === 'number' && validation + test >= 1) {
    const detail = `is ${test}, and with validation ${validation} nothing is left to train on`;
    return [{ pointer: '/split/test', detail: `${detail}, expected a sum below 1` }];
  }
  return [];
}

function checkTrain(train: JobInput['train']): FieldError[] {
  const { batchRows, lanes, optimizer } = { ...TRAIN_DEFAULTS, ...train };
  const errors: FieldError[] = [];
  if (batchRows % lanes !== 0) {
    const detail = `is ${batchRows}, expected a multiple of lanes (${lanes})`;
    const near = Math.max(lanes, Math.round(batchRows / lanes) * lanes);
    errors.push({ pointer: '/train/batchRows', detail: `${detail}, for example ${near}` });
  }
  if (train?.momentum !== undefined && optimizer !== 'sgd') {
    const detail = `belongs to optimizer "sgd", but the optimizer is ${show(optimizer)}`;
    errors.push({ pointer: '/train/momentum', detail });
  }
  return errors;
}

function checkRepeats(job: JobInput): FieldError[] {
  const rules = (job.clean ?? []).flatMap((rule, index) =>
    'require' in rule ? repeats(`/clean/${index}/require`, rule.require) : [],
  );
  const split = job.split?.by === 'hash' ? repeats('/split/columns', job.split.columns) : [];
  const slices = repeats('/evaluate/slices', job.evaluate?.slices ?? []);
  return [...rules, ...split, ...slices, ...featureRepeats(Object.keys(job.features ?? {}))];
}

function repeats(pointer: string, names: readonly string[]): FieldError[] {
  return names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ pointer: `${pointer}/${index}`, detail: `repeats the column ${show(name)}` }],
  );
}

/** SQL names do not tell "Hour" from "hour". */
function featureRepeats(names: readonly string[]): FieldError[] {
  const lower = names.map((name) => name.toLowerCase());
  return names.flatMap((name, index) => {
    const first = names[lower.indexOf(lower[index]!)]!;
    const detail = `differs from the feature ${show(first)} only in case, expected another name`;
    return first === name ? [] : [{ pointer: `/features/${name}`, detail }];
  });
}

/** The schema counts characters, DuckDB bytes. */
function checkBytes(job: JobInput): FieldError[] {
  const max = LIMITS.expressionBytesMax;
  return sqlTexts(job).flatMap(({ pointer, sql }) => {
    const bytes = new TextEncoder().encode(sql).length;
    return bytes <= max ? [] : [{ pointer, detail: `has ${bytes} bytes, expected at most ${max}` }];
  });
}

/** Every SQL text of a job with its pointer, in the order of the file. */
export function sqlTexts(
  job: Pick<JobInput, 'clean' | 'label' | 'features'>,
): { readonly pointer: string; readonly sql: string }[] {
  const filters = (job.clean ?? []).flatMap((rule, index) =>
    'filter' in rule ? [{ pointer: `/clean/${index}/filter`, sql: rule.filter }] : [],
  );
  const label = job.label === undefined ? [] : [{ pointer: '/label', sql: job.label }];
  const features = Object.entries(job.features ?? {}).map(([name, sql]) => ({
    pointer: `/features/${name}`,
    sql,
  }));
  return [...filters, ...label, ...features];
}

const TRAIN_DEFAULTS = {
  optimizer: 'adam',
  learningRate: 0.001,
  momentum: 0.9,
  batchRows: 4096,
  epochs: 3,
  lanes: 32,
} as const satisfies TrainSpec;

function fillDefaults(job: JobInput): JobSpec {
  const { label, split, features, publish } = job;
  return {
    specVersion: 1,
    name: job.name,
    seed: job.seed ?? 0,
    dataset: job.dataset,
    clean: structuredClone(job.clean ?? []),
    ...(label !== undefined && split && features
      ? {
          training: {
            label,
            split: structuredClone(split),
            features: { ...features },
            model: fillModel(job.model),
            train: { ...TRAIN_DEFAULTS, ...job.train },
            slices: [...(job.evaluate?.slices ?? [])],
          },
        }
      : {}),
    ...(publish
      ? { publish: { environment: 'dev', alias: 'champion', ...publish } satisfies PublishSpec }
      : {}),
  };
}

function fillModel(model: JobInput['model']): ModelSpec {
  if (model?.kind === 'mlp') return { kind: 'mlp', hidden: [...model.hidden], categories: 'sum' };
  return { kind: 'linear' };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
