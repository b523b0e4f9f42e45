// What the HTTP API takes and gives, as schemas: requests are validated by them, OpenAPI is made of them.
// In: nothing. Out: named schemas; those of requests are the very objects that validate.
// Why answers have schemas too: a test holds every answer against the one that the documentation shows.
import Type from 'typebox';
import { DEVICE_KINDS } from '../../common/engine/device/device.ts';
import { LIMITS } from '../../common/limits.ts';
import { LABEL_KINDS } from '../../common/objective/objectives.ts';
import { Count, Figures, nullable, words } from '../../common/stage/stage.ts';
import { JOB_STATES, JobSchema } from '../../common/wire/job/job.ts';
import { FIRING_KINDS } from '../../common/wire/trigger.ts';
import { JobViewSchema, WireErrorSchema } from '../../common/wire/view.ts';
import { GatePolicySchema } from '../registry/gate.ts';
import { OnSchema } from '../trigger/on/on.ts';
import { TriggerSchema } from '../trigger/spec.ts';
import { PROMOTION_STATES } from './promotions.ts';

const Time = Type.Number({ description: 'milliseconds since 1970' });
const Range = Type.Object(
  { after: nullable(Type.Number()), upTo: nullable(Type.Number()) },
  { description: 'split keys (after, upTo]; null is open' },
);

const Policy = Type.Ref('GatePolicy#');

export const Evidence = Type.Object(
  {
    testset: Type.Object({ snapshot: Type.String(), range: Range, rows: Count }),
    challenger: Type.Object({ version: Count, metrics: Figures }),
    champion: nullable(Type.Object({ version: Count, metrics: Figures })),
    comparison: nullable(
      Type.Object(
        {
          metric: Type.String(),
          confidence: Type.Number(),
          rows: Count,
          champion: Type.Number(),
          challenger: Type.Number(),
          change: Type.Number(),
          low: Type.Number(),
          high: Type.Number(),
        },
        { description: 'the change is signed so that positive is better' },
      ),
    ),
    policy: Policy,
    verdict: words(['accepted', 'refused']),
    checks: Type.Array(Type.Object({ passed: Type.Boolean(), words: Type.String() }), {
      description: 'what was checked, with its figures',
    }),
    reasons: Type.Array(Type.String(), { description: 'the same as lines' }),
  },
  { title: 'Evidence', description: 'what a version showed on the test set of the model' },
);

export const JobPage = Type.Object({
  jobs: Type.Array(Type.Ref('JobView#')),
  next: nullable(Count, 'pass as "before" for the next page; null: this was the last'),
  previous: nullable(Count, 'pass as "after" for the page of newer jobs; null: there are none'),
});

export const ModelList = Type.Object({
  models: Type.Array(
    Type.Object({
      name: Type.String(),
      latest: Type.Integer({ description: 'the newest version' }),
      environments: Type.Record(
        Type.String(),
        Type.Record(Type.String(), nullable(Type.Integer())),
        { description: 'environment → alias → version served' },
      ),
    }),
    { description: 'by name' },
  ),
  next: nullable(Type.String(), 'pass as "after" for the next page; null: this was the last'),
});

export const ModelView = Type.Object({
  name: Type.String(),
  environments: Type.Record(Type.String(), Type.Record(Type.String(), nullable(Type.Integer()))),
  versions: Type.Array(
    Type.Object({
      version: Type.Integer(),
      createdAt: Time,
      job: Type.String(),
      label: Type.String(),
      metrics: Figures,
      baseline: Figures,
      bitExact: Type.Boolean(),
      modelBytes: Count,
    }),
    { description: 'newest first; metrics on the test rows of its own job' },
  ),
  next: nullable(Count, 'pass as "before" for the next page; null: this was the last'),
});

const Blob = Type.Object({ sha256: Type.String(), bytes: Count });
export const ManifestSchema = Type.Object(
  {
    formatVersion: Type.Literal(1),
    model: Type.String(),
    version: Type.Integer(),
    onnx: Blob,
    golden: Blob,
    report: Blob,
    signature: Type.Object({
      inputs: Type.Array(
        Type.Object({ name: Type.String(), type: words(['number', 'string', 'time']) }),
      ),
      label: words(LABEL_KINDS),
      codes: Type.Array(Type.String()),
      numbers: Type.Array(Type.String()),
    }),
    label: Type.Object({ sql: Type.String() }),
    trainDigest: Type.String(),
    split: Type.Object({
      definition: Type.Unknown({ description: 'as in the job' }),
      ranges: Type.Object({ train: Range, validation: Range, test: Range }),
    }),
    metrics: Type.Object({ validation: nullable(Figures), test: Figures }),
    baseline: Figures,
    lineage: Type.Object({
      job: Type.String(),
      snapshot: Type.String(),
      spec: Type.Unknown({ description: 'the job, with every default filled in' }),
      seed: Type.Integer(),
      numerics: Type.String(),
      createdAt: Time,
    }),
    bitExact: Type.Boolean(),
  },
  { title: 'Manifest', description: 'a version: immutable; blobs are named by their SHA-256' },
);

export const GateView = Type.Object({
  model: Type.String(),
  environment: Type.String(),
  policy: Policy,
  isDefault: Type.Boolean({ description: 'true: nobody has set one' }),
});

export const AliasMove = Type.Object(
  {
    version: Type.Integer({ minimum: 1 }),
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: 500, description: 'kept with a return' }),
    ),
    override: Type.Optional(
      Type.Object(
        { reason: Type.String({ minLength: 1, maxLength: 500, pattern: '\\S' }) },
        { additionalProperties: false, description: 'moves past the gate; recorded' },
      ),
    ),
  },
  {
    additionalProperties: false,
    title: 'AliasMove',
    description: 'to which version an alias shall move, and on what ground',
  },
);

export const AliasView = Type.Object(
  {
    model: Type.String(),
    environment: Type.String(),
    alias: Type.String(),
    entry: Type.Integer({ description: 'number in the journal; the ETag' }),
    version: nullable(Type.Integer(), 'what is served; null: only refusals so far'),
    kind: words(['moved', 'refused', 'returned', 'overridden']),
    candidate: Type.Integer(),
    evidence: nullable(Type.Ref('Evidence#')),
    by: Type.Object({ job: Type.Optional(Type.String()), reason: Type.Optional(Type.String()) }),
    at: Time,
  },
  { title: 'AliasView', description: 'what an alias serves, and the last decision on it' },
);

export const PromotionView = Type.Object(
  {
    id: Type.String(),
    model: Type.String(),
    environment: Type.String(),
    alias: Type.String(),
    version: Type.Integer({ description: 'that shall have the alias' }),
    seen: Type.Integer({ description: 'the entry of the alias that it was asked for against' }),
    startedAt: Time,
    state: words(PROMOTION_STATES),
    entry: nullable(Type.Ref('AliasView#'), 'once moved or refused: what the record has of it'),
    problem: nullable(Type.Ref('Problem#'), 'once refused or failed: why'),
  },
  { title: 'PromotionView', description: 'a version on its way through the gate' },
);
export const AliasHistory = Type.Object({
  entries: Type.Array(Type.Ref('AliasView#'), { description: 'newest first' }),
});

const kinds = (values: readonly string[], description: string) =>
  nullable(words(values), description);
const Value = Type.Union([Type.Number(), Type.String(), Type.Boolean(), Type.Null()]);
const Edge = nullable(
  Type.Union([Type.Number(), Type.String()]),
  'numbers as they are (BOOLEAN: 0 and 1), times as ISO text; null for text, and where every value is missing',
);

const ColumnViewSchema = Type.Object(
  {
    name: Type.String(),
    type: Type.String({ description: 'as DuckDB says it: BIGINT, VARCHAR, TIMESTAMP, STRUCT(…)' }),
    from: Type.Optional(
      Type.Literal('folder', { description: 'text in the names of folders, key=value' }),
    ),
    unreadable: Type.Optional(Type.String({ description: 'why no expression can read it' })),
    kind: kinds(['number', 'text', 'time', 'boolean'], 'null: no feature can read it'),
    nulls: Type.Integer({
      minimum: 0,
      description:
        'sampled rows in which it is missing: NULL, NaN, infinite, a time outside years 1 to 9999',
    }),
    distinct: Type.Integer({
      minimum: 0,
      description: `different values in the sample: exact where a shard has at most ${LIMITS.surveyHashesMax} or no two shards share one, else estimated`,
    }),
    min: Edge,
    max: Edge,
    mean: nullable(Type.Number(), 'of numbers and BOOLEANs'),
    std: nullable(Type.Number(), 'of numbers and BOOLEANs'),
    lengthMean: nullable(Type.Number(), 'mean characters of text'),
    top: Type.Array(Type.Object({ value: Value, count: Count }), {
      description: 'the most frequent values, at most ten; text cut at 100 characters',
    }),
    labelCorrelation: nullable(
      Type.Number(),
      "Pearson's, of numbers, BOOLEANs and times, over rows that have both",
    ),
    labelExplained: nullable(
      Type.Number({ minimum: 0, maximum: 1 }),
      "share of the label's variance that goes with this column alone: with each value of text and BOOLEAN, with 64 runs of different numbers and times, missing apart",
    ),
  },
  { title: 'ColumnView' },
);

const LabelViewSchema = Type.Object(
  {
    expression: Type.String(),
    kind: words(LABEL_KINDS),
    columns: Type.Array(Type.String(), { description: 'what it reads: none may be a feature' }),
    missing: Type.Integer({ minimum: 0, description: 'sampled rows without a label' }),
    mean: nullable(Type.Number(), 'binary: the share of positives'),
    std: nullable(Type.Number()),
    min: nullable(Type.Number()),
    max: nullable(Type.Number()),
  },
  { title: 'LabelView' },
);

export const DatasetViewSchema = Type.Object(
  {
    uri: Type.String(),
    objects: Count,
    footers: Type.Integer({
      minimum: 0,
      description: 'of these objects; fewer than objects: rows and rowGroups are estimated',
    }),
    rowGroups: Count,
    rows: Count,
    bytes: Count,
    sampledRows: Type.Integer({ minimum: 0, description: 'what the figures below are made of' }),
    columns: Type.Array(ColumnViewSchema),
    label: nullable(LabelViewSchema, 'null where none was asked for'),
    sample: Type.Array(Type.Record(Type.String(), Value), {
      description: 'a few rows, as predictions take them',
    }),
  },
  { title: 'DatasetView', description: 'what a dataset looks like, by its footers and a sample' },
);

export const WorkerList = Type.Object({
  workers: Type.Array(
    Type.Object({
      worker: Type.String(),
      host: Type.String(),
      pid: Type.Integer(),
      numerics: Type.String({ description: 'engines and instruction set that decide bits' }),
      device: words(DEVICE_KINDS),
      threads: Count,
      threadsFree: Count,
      memoryBytes: Count,
      tasks: Type.Array(Type.String()),
      runs: Type.Array(
        Type.Object({
          run: Type.String(),
          generation: Count,
          round: Count,
          lanesLoaded: Type.Array(Count),
          phase: words(['loading', 'ready', 'running', 'done', 'failed']),
        }),
      ),
      draining: Type.Boolean(),
      startedAt: Time,
    }),
  ),
});

export const FiringSchema = Type.Object(
  {
    slot: Type.String({ description: 'names sort by time; of a call with "-call-" in it' }),
    dueAt: Time,
    at: Type.Number({ description: 'when it was recorded, milliseconds since 1970' }),
    kind: words(FIRING_KINDS),
    after: nullable(Type.String(), 'the job of an earlier slot that had not ended then'),
    reason: Type.Optional(Type.String({ description: 'of a skipped or missed slot' })),
    job: Type.Optional(Type.String({ description: 'of a fired slot' })),
    entry: Type.Optional(
      Type.Integer({ description: 'of a fired slot: the entry of the trigger with that job' }),
    ),
    state: Type.Optional(nullable(words(JOB_STATES), 'of the job; null: on its way')),
    error: Type.Optional(nullable(WireErrorSchema, 'of a job that failed')),
  },
  { title: 'FiringView', description: 'what became of a slot: never changed, but for its job' },
);

export const TriggerViewSchema = Type.Object(
  {
    name: Type.String(),
    entry: Type.Integer({ description: 'number in the journal; the ETag' }),
    spec: Type.Object(
      {
        on: OnSchema,
        overlap: words(['skip', 'queue']),
        catchUp: words(['none', 'last']),
        paused: Type.Boolean(),
        job: Type.Unknown({ description: 'as it was sent' }),
      },
      { description: 'with every default filled in' },
    ),
    when: Type.String({ description: 'what fires it, in words' }),
    updatedAt: Time,
    nextAt: Type.Array(Type.Number(), {
      description: 'the next slots, milliseconds since 1970, soonest first; none while paused',
    }),
    firings: Type.Array(Type.Ref('FiringView#'), { description: 'the last slots, newest first' }),
  },
  { title: 'TriggerView' },
);

export const TriggerListSchema = Type.Object({
  triggers: Type.Array(Type.Ref('TriggerView#'), {
    description: 'in order of names, each with its last slot alone',
  }),
  unreadable: Type.Array(Type.Object({ name: Type.String(), error: WireErrorSchema }), {
    description:
      'those that this program cannot read, as another one wrote them: nothing fires them until they are put anew',
  }),
});

const JOB_EXAMPLE = {
  specVersion: 1,
  name: 'flight-delay',
  dataset: 'flights/**/*.parquet',
  clean: [{ require: ['date', 'delay'] }, { filter: 'delay between -120 and 1800' }],
  label: 'delay > 15',
  split: { by: 'time', column: 'date', validation: '30d', test: '30d' },
  features: {
    distance: "standardize(log1p(impute(distance, 'median')))",
    hour: 'category(hour(date))',
    origin: 'vocabulary(origin, 500)',
  },
  model: { kind: 'mlp', hidden: [64] },
  publish: { model: 'flight-delay' },
};
const GATE_EXAMPLE = {
  min: { auc: 0.65 },
  change: { metric: 'auc', min: -0.002, confidence: 0.95 },
};
const MOVE_EXAMPLE = {
  version: 2,
  override: { reason: 'the test set is older than the new route' },
};

const TRIGGER_EXAMPLE = {
  on: { cron: '15 3 * * 1-5', timeZone: 'Europe/Berlin' },
  overlap: 'skip',
  catchUp: 'last',
  job: JOB_EXAMPLE,
};

/** Schemas with a name of their own in OpenAPI. */
export const SHARED = {
  Job: {
    ...JobSchema,
    description: 'from Parquet to a served model; /docs/job explains every field',
    examples: [JOB_EXAMPLE],
  },
  JobView: JobViewSchema,
  DatasetView: DatasetViewSchema,
  Manifest: ManifestSchema,
  GatePolicy: {
    ...GatePolicySchema,
    description: 'what a version must show before an alias may move to it',
    examples: [GATE_EXAMPLE],
  },
  Evidence,
  AliasMove: { ...AliasMove, examples: [{ version: 2 }, MOVE_EXAMPLE] },
  AliasView,
  PromotionView,
  Trigger: {
    ...TriggerSchema,
    description: 'submits a job whenever its clock says so',
    examples: [TRIGGER_EXAMPLE],
  },
  TriggerView: TriggerViewSchema,
  FiringView: FiringSchema,
} as const;
