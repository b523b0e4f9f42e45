// The stages that there are: a line each, in the order in which a job meets them.
// In: the file of each stage. Out: the registry, and what is derived from it: names, programs, the fields of a view.
// Why one list: plans, progress, schemas, docs and both sides' tables are keyed by it, and the compiler holds them to it.
import type { Static, TSchema } from 'typebox';
import { evaluate } from './evaluate.ts';
import { fit } from './fit.ts';
import { gate } from './gate.ts';
import { prepare } from './prepare.ts';
import { prove } from './prove.ts';
import { publish } from './publish.ts';
import { snapshot } from './snapshot.ts';
import type { Field, Frozen, ProgramRow, StageRow } from './stage.ts';
import { survey } from './survey.ts';
import { type TrainProgram, train } from './train.ts';

export const STAGES = {
  snapshot,
  prepare,
  fit,
  train,
  evaluate,
  prove,
  publish,
  gate,
  survey,
} as const satisfies Readonly<Record<string, StageRow>>;

type Stages = typeof STAGES;
/** Every step of a job that finds something. */
export type StageName = keyof Stages;

/** Those that workers run tasks of: progress is told of these, and results lie at parts/<stage>/. */
export type Stage = {
  [S in StageName]: keyof Stages[S]['programs'] extends never ? never : S;
}[StageName];
const rowsOf = Object.entries as (of: Stages) => [StageName, StageRow][];
export const STAGE_NAMES = rowsOf(STAGES).flatMap(([name, { programs }]) =>
  Object.keys(programs).length > 0 ? [name as Stage] : [],
);

type ProgramRows = { [S in StageName]: Stages[S]['programs'] }[StageName];
type RowsByKind = UnionToIntersection<ProgramRows>;
type UnionToIntersection<U> = (U extends unknown ? (one: U) => void : never) extends (
  all: infer I,
) => void
  ? I
  : never;
type ProgramIn<Row> = Row extends ProgramRow<infer P> ? P : never;

export type ProgramKind = keyof RowsByKind;
export type ProgramOf<K extends ProgramKind> = ProgramIn<RowsByKind[K]>;
/** Programs that run as tasks. */
export type TaskProgram = { [K in ProgramKind]: ProgramOf<K> }[ProgramKind];
/** What lies at stages/<digest>.json. */
export type Program = TaskProgram | TrainProgram;

const PROGRAMS = Object.assign({}, ...rowsOf(STAGES).map(([, { programs }]) => programs)) as Record<
  string,
  ProgramRow<never> | undefined
>;

/** Undefined for a kind that this program does not know. */
export const programRow = (kind: string): ProgramRow<TaskProgram> | undefined =>
  Object.hasOwn(PROGRAMS, kind) ? (PROGRAMS[kind] as ProgramRow<TaskProgram>) : undefined;

/** What each stage may have found: fields of a JobView. */
export type FieldsOf<S extends StageName> = {
  readonly [F in keyof Stages[S]['found']]: Stages[S]['found'][F] extends {
    readonly schema: infer Schema extends TSchema;
  }
    ? Frozen<Static<Schema>>
    : never;
};
export type Findings = UnionToIntersection<{ [S in StageName]: FieldsOf<S> }[StageName]>;

/** A finding of a stage: some of its fields. */
export type Finding = {
  [S in StageName]: { readonly stage: S; readonly value: Partial<FieldsOf<S>> };
}[StageName];

/** Every such field with the stage that it belongs to. */
export const FIELDS = rowsOf(STAGES).flatMap(([stage, { found }]) =>
  Object.entries(found as Readonly<Record<string, Field>>).map(([name, row]) => ({
    stage,
    name: name as keyof Findings,
    ...row,
  })),
);
export const NOTHING_FOUND = Object.fromEntries(
  FIELDS.map(({ name, none }) => [name, none]),
) as Findings;

/** What was found so far together with one more finding. Fields that nobody knows are left out. */
export function foldFinding<T extends Findings>(before: T, { stage, value }: Finding): T {
  const told = value as Readonly<Record<string, unknown>>;
  const folded = FIELDS.filter((one) => one.stage === stage && told[one.name] !== undefined).map(
    ({ name, fold }) => [name, fold(before[name] as never, told[name] as never)],
  );
  return { ...before, ...Object.fromEntries(folded) };
}
