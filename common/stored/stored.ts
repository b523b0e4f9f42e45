// The door for JSON that is read back from the store: of a known form, of the right shape, in today's words.
// In: an object's key and what it is meant to be. Out: the value as today's code writes it, or FORMAT_UNKNOWN.
// Why a door: stores outlive programs. What an older program wrote is brought up to date here and nowhere else; what a
// newer one wrote is refused by its number, before a field that means something else is believed.
//
// What does not pass here: what lies under its own SHA-256 (partials, scores, curves, the state of a training), written
// and read by tasks whose names say by which code; and a gateway's scratch, where what cannot be read is not there.
//
// A number goes up only where an older program would misread the new form; both are then named in `forms`.
import Type, { type TSchema } from 'typebox';
import { GristmillError } from '../errors.ts';
import type { WorkerId } from '../ids.ts';
import type { PrepareProgram } from '../stage/prepare.ts';
import { STAGE_NAMES, type TaskProgram } from '../stage/stages.ts';
import type { TrainFigures, TrainProgram, TrainResult } from '../stage/train.ts';
import { type Entry, readAfter, readHead } from '../store/journal.ts';
import type { Store } from '../store/store.ts';
import { explainSchema, shownErrors } from '../wire/explain.ts';
import type { JobSpec } from '../wire/job/job.ts';
import type {
  AliasEntry,
  GateEntry,
  GoldenRows,
  Manifest,
  Move,
  TestSetEntry,
} from '../wire/model.ts';
import type { Plan, PreparePins, SnapshotJson } from '../wire/plan.ts';
import type { Checkpoint } from '../wire/round.ts';
import type { Descriptor, Failure, Group } from '../wire/task.ts';
import type { Firing, TriggerCall, TriggerEntry } from '../wire/trigger.ts';
import type { IndexCheckpoint, IndexEntry, JobEvent, StoredSpec } from '../wire/view.ts';
import {
  eventForms,
  evidenceForms,
  manifestForms,
  type Older,
  planForms,
  specForms,
  triggerForms,
} from './older.ts';

/** What each kind of object is in today's form. */
export type Stored = {
  readonly spec: Omit<StoredSpec, 'spec'> & { readonly spec: JobSpec };
  /** `prepare` is null where an older program's plan says too little: then it is pinned anew from the snapshot. */
  readonly plan: Omit<Plan, 'prepare'> & { readonly prepare: PreparePins | null };
  readonly index: IndexEntry;
  readonly event: JobEvent;
  readonly ends: IndexCheckpoint;
  readonly snapshot: SnapshotJson;
  readonly manifest: Manifest;
  readonly gate: GateEntry;
  readonly testset: TestSetEntry;
  readonly alias: AliasEntry;
  readonly move: Move;
  readonly trigger: TriggerEntry;
  readonly firing: Firing;
  readonly call: TriggerCall;
  readonly generation: {
    readonly formatVersion: 1;
    readonly generation: number;
    readonly laneOwner: readonly WorkerId[];
  };
  /** What lies at stages/<digest>.json, by who reads it. */
  readonly program: TaskProgram;
  readonly prepareProgram: PrepareProgram;
  readonly trainProgram: TrainProgram;
  readonly commit: Descriptor;
  readonly trained: Descriptor<TrainResult>;
  readonly group: Group;
  readonly failure: Failure;
  readonly golden: GoldenRows;
  readonly checkpoint: Checkpoint & {
    readonly formatVersion: 1;
    /** That ended before it; earlier programs kept those in its bytes alone. */
    readonly epochs?: TrainFigures['epochs'];
  };
};
export type StoredKind = keyof Stored;

export type StoredForm = {
  /** In messages: "the plan of a job". */
  readonly what: string;
  /** By formatVersion: how what was written becomes today's form. */
  readonly forms: Readonly<Record<number, (older: Older) => unknown>>;
  /** Of today's form. Fields that it does not name are let through. */
  readonly schema: TSchema;
};

/** The object at `key`, or undefined where there is none. */
export async function readStored<K extends StoredKind>(
  store: Store,
  key: string,
  kind: K,
): Promise<Stored[K] | undefined> {
  const bytes = await store.get(key);
  return bytes && parseStoredAs(kind, key, bytes);
}

/** A journal's entries after `after`, until the first missing number. */
export const readStoredAfter = <K extends StoredKind>(
  store: Store,
  prefix: string,
  { kind, after }: { readonly kind: K; readonly after: number },
): Promise<Entry<Stored[K]>[]> =>
  readAfter(store, prefix, after, (from, key) => readStored(from, key, kind));

/** A journal's last entry; `known` as in readHead(). */
export const readStoredHead = <K extends StoredKind>(
  store: Store,
  prefix: string,
  kind: K,
  known = 0,
): Promise<Entry<Stored[K]> | undefined> =>
  readHead(store, prefix, known, (from, key) => readStored(from, key, kind));

export function parseStoredAs<K extends StoredKind>(
  kind: K,
  key: string,
  bytes: Uint8Array,
): Stored[K] {
  const { what, forms, schema }: StoredForm = STORED[kind];
  const value = parseObject(key, what, bytes);
  const version = value.formatVersion;
  const upgrade = typeof version === 'number' ? forms[version] : undefined;
  if (!upgrade)
    throw unknownForm(
      key,
      what,
      `its formatVersion is ${JSON.stringify(version) ?? 'missing'}, and this program knows ${Object.keys(forms).join(' and ')}`,
    );
  const today = attempt(key, what, () => upgrade(value));
  const errors = explainSchema(schema, today);
  if (errors.length > 0) throw unknownForm(key, what, shownErrors(errors));
  return today as Stored[K];
}

function parseObject(key: string, what: string, bytes: Uint8Array): Older {
  const value = attempt(key, what, () => JSON.parse(DECODER.decode(bytes)) as unknown);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Older;
  throw unknownForm(key, what, 'it is no JSON object');
}

/** What fails on the way is a matter of the object's form. */
function attempt<T>(key: string, what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw unknownForm(key, what, error instanceof Error ? error.message : String(error), error);
  }
}

/** Of an object that is there and says nothing to this program; anything else thrown is of the store. */
export const isUnreadable = (error: unknown): error is GristmillError =>
  error instanceof GristmillError && error.code === 'FORMAT_UNKNOWN';

const unknownForm = (key: string, what: string, why: string, cause?: unknown): GristmillError =>
  new GristmillError('FORMAT_UNKNOWN', `Cannot read ${key} as ${what}: ${why}`, { cause });

const DECODER = new TextDecoder('utf-8', { fatal: true });

const asIs = { 1: (value: Older) => value };
/** Names that become part of a key: the store refuses what would leave its folder. */
const Hex = Type.String({ minLength: 1 });
const Job = Type.String({ pattern: '^j-' });
const Count = Type.Integer({ minimum: 0 });
const Text = Type.String();
const Moment = Type.Number();
const Open = Type.Object({});
const Blob = Type.Object({ sha256: Hex, bytes: Count });
const BlobRef = { key: Text, sha256: Hex, bytes: Count };
const orNull = (schema: TSchema) => Type.Union([schema, Type.Null()]);

const SnapshotSchema = Type.Object({
  dataset: Text,
  schema: Type.Array(
    Type.Object({
      name: Text,
      type: Text,
      from: Type.Optional(Type.Literal('folder')),
      unreadable: Type.Optional(Text),
    }),
  ),
  objects: Type.Array(
    Type.Object({
      types: Type.Optional(Type.Record(Text, orNull(Text))),
      key: Text,
      etag: Text,
      bytes: Count,
      footerBytes: Count,
      rows: Count,
      rowGroups: Type.Array(
        Type.Object({
          rows: Count,
          bytes: Count,
          chunks: Type.Array(Type.Array(Count, { minItems: 2, maxItems: 2 })),
        }),
      ),
    }),
  ),
});

const ManifestSchema = Type.Object({
  model: Text,
  version: Type.Integer({ minimum: 1 }),
  onnx: Blob,
  golden: Blob,
  report: Blob,
  signature: Type.Object({ inputs: Type.Array(Type.Object({ name: Text, type: Text })) }),
  trainDigest: Hex,
  split: Type.Object({ definition: Open, ranges: Open }),
  metrics: Type.Object({ validation: orNull(Open), test: Open }),
  baseline: Open,
  lineage: Type.Object({ job: Job, snapshot: Hex, seed: Count, numerics: Text, createdAt: Moment }),
});

const PinsSchema = Type.Object({
  program: Hex,
  shardBytesMax: Count,
  packs: Type.Optional(
    Type.Object({
      ...{ bytesMax: Count, objectsMin: Count, objectsMax: Count, textMax: Count },
      objectsOneIn: Type.Integer({ minimum: 1 }),
    }),
  ),
  memoryBytes: Count,
  deadlineMs: Count,
  taskCount: Count,
  rowCount: Count,
});

const descriptorOf = (result: TSchema) =>
  Type.Object({
    ...{ formatVersion: Type.Literal(1), task: Hex, stage: Text, result, attempt: Open },
    message: Type.Optional(Open),
  });

const STORED = {
  spec: {
    what: "a job's spec",
    forms: specForms,
    schema: Type.Object({ job: Job, spec: Open, bodyDigest: Hex, at: Moment }),
  },
  plan: {
    what: "a job's plan",
    forms: planForms,
    schema: Type.Object({
      job: Job,
      snapshot: Hex,
      numerics: Type.Object(Object.fromEntries(STAGE_NAMES.map((stage) => [stage, Text]))),
      prepare: orNull(PinsSchema),
    }),
  },
  index: {
    what: 'an entry of the index of jobs',
    forms: asIs,
    schema: Type.Object({ job: Job, name: Text, at: Moment, after: Type.Optional(Job) }),
  },
  event: {
    what: "an entry of a job's journal",
    forms: eventForms,
    schema: Type.Object({ at: Moment, kind: Text }),
  },
  ends: {
    what: 'a checkpoint of the index of jobs',
    forms: asIs,
    schema: Type.Object({ upTo: Count, open: Type.Array(Count) }),
  },
  snapshot: { what: 'a snapshot', forms: asIs, schema: SnapshotSchema },
  manifest: { what: 'the manifest of a version', forms: manifestForms, schema: ManifestSchema },
  gate: {
    what: "an entry of a model's gate",
    forms: asIs,
    schema: Type.Object({ policy: Open, at: Moment }),
  },
  testset: {
    what: "an entry of a model's test set",
    forms: asIs,
    schema: Type.Object({
      definition: Type.Object({ clean: Type.Array(Open), label: Text, split: Open }),
      snapshot: Hex,
      job: Job,
      at: Moment,
    }),
  },
  alias: {
    what: 'an entry of an alias',
    forms: evidenceForms,
    schema: Type.Object({
      kind: Text,
      version: orNull(Count),
      candidate: Count,
      evidence: orNull(Open),
      by: Open,
      at: Moment,
    }),
  },
  move: {
    what: 'an entry of the moves of aliases',
    forms: asIs,
    schema: Type.Object({ model: Text, alias: Text, at: Moment }),
  },
  trigger: {
    what: 'an entry of a trigger',
    forms: triggerForms,
    schema: Type.Union([
      Type.Object({ kind: Type.Literal('deleted'), at: Moment }),
      Type.Object({
        kind: Type.Literal('put'),
        at: Moment,
        spec: Type.Object({
          on: Open,
          overlap: Text,
          catchUp: Text,
          paused: Type.Boolean(),
          job: Type.Unknown(),
        }),
      }),
    ]),
  },
  firing: {
    what: "the record of a trigger's slot",
    forms: asIs,
    schema: Type.Object({
      slot: Text,
      dueAt: Moment,
      at: Moment,
      after: orNull(Job),
      kind: Text,
      job: Type.Optional(Job),
      entry: Type.Optional(Count),
      reason: Type.Optional(Text),
    }),
  },
  call: {
    what: 'the slot of a call',
    forms: asIs,
    schema: Type.Object({ slot: Text, dueAt: Moment }),
  },
  program: { what: 'the program of a task', forms: asIs, schema: Type.Object({ kind: Text }) },
  prepareProgram: {
    what: 'the program of a prepare task',
    forms: asIs,
    schema: Type.Object({ kind: Type.Literal('prepare'), reads: Type.Array(Text) }),
  },
  trainProgram: {
    what: 'the program of a training',
    forms: asIs,
    schema: Type.Object({
      kind: Type.Literal('train'),
      lanes: Count,
      laneRows: Type.Array(Count),
      parts: Type.Array(Type.Object({ ...BlobRef, rows: Count })),
    }),
  },
  commit: { what: 'the result of a task', forms: asIs, schema: descriptorOf(Open) },
  trained: {
    what: 'the result of a training run',
    forms: asIs,
    schema: descriptorOf(
      Type.Object({
        rounds: Count,
        rows: Count,
        epochs: Type.Array(Open),
        checkpoint: Type.Object(BlobRef),
      }),
    ),
  },
  failure: {
    what: 'how an attempt failed',
    forms: asIs,
    schema: Type.Object({
      ...{ task: Hex, stage: Text, worker: Text, at: Moment },
      kind: Type.Union(['error', 'lost', 'corrupt'].map((kind) => Type.Literal(kind))),
      corrupt: Type.Optional(Type.Object({ key: Text, copies: Count })),
      error: Type.Object({ code: Text, message: Text }),
      offer: Type.Optional(Type.Number()),
    }),
  },
  golden: {
    what: 'the golden rows of a version',
    forms: asIs,
    schema: Type.Object({
      rows: Type.Array(Type.Object({ row: Open, prediction: Type.Unknown() })),
    }),
  },
  group: {
    what: 'a group of results',
    forms: asIs,
    schema: Type.Object({
      stage: Text,
      program: Hex,
      descriptors: Type.Array(descriptorOf(Open), { minItems: 1 }),
    }),
  },
  generation: {
    what: 'a generation of a training run',
    forms: asIs,
    schema: Type.Object({ generation: Count, laneOwner: Type.Array(Text) }),
  },
  checkpoint: {
    what: 'a checkpoint of a training run',
    forms: asIs,
    schema: Type.Object({
      round: Count,
      blob: Type.Object(BlobRef),
      epochs: Type.Optional(Type.Array(Open)),
    }),
  },
} as const satisfies { readonly [K in StoredKind]: StoredForm };
