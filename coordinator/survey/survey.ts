// Tells what a dataset looks like, before a job is written for it.
// In: a dataset pattern, perhaps a label. Out: a DatasetView: footers, and a sample that workers have looked at.
// Why by tasks: whoever decides reads no row; and a look that was taken is kept under its content's name.
import { GristmillError, pointedAt } from '../../common/errors.ts';
import type { TaskId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { spread } from '../../common/spread.ts';
import type { SurveyProgram, SurveyResult } from '../../common/stage/survey.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import type { ColumnKind, DatasetView } from '../../common/wire/survey.ts';
import type { Descriptor, Shard, Task } from '../../common/wire/task.ts';
import { columnTypeOf } from '../compile/features.ts';
import { castSql } from '../compile/sql.ts';
import { runTasks } from '../dispatch/offer.ts';
import { chooseNumerics } from '../dispatch/workers.ts';
import { makeTask, saveProgram } from '../plan/tasks.ts';
import { listDataset } from '../snapshot/list.ts';
import type { Snapshot } from '../snapshot/row-groups.ts';
import { type FooterReader, snapshotOf } from '../snapshot/snapshot.ts';
import { checkLabel, checkSchema, isOwnName, sourceColumn } from '../stage/check.ts';
import type { Machinery } from '../stage/context.ts';
import { chooseShards } from './choose.ts';
import { mergeColumn, mergeLabel, mergeSample, type SurveyedColumn } from './merge.ts';
import { makeTurns } from './turns.ts';

export type SurveyRequest = {
  readonly uri: string;
  readonly label: string | null;
  /** The client has gone, or the coordinator stops. */
  readonly signal: AbortSignal;
};

export type SurveyDataset = (request: SurveyRequest) => Promise<DatasetView>;

export function makeSurveyor(machinery: Machinery): SurveyDataset {
  const takeTurn = makeTurns({
    atOnce: LIMITS.surveysAtOnce,
    waitingMax: LIMITS.surveysWaitingMax,
    what: 'survey',
  });
  return (request) => takeTurn(request.signal, () => surveyDataset(machinery, request));
}

export async function surveyDataset(
  machinery: Machinery,
  { uri, label: expression, signal }: SurveyRequest,
): Promise<DatasetView> {
  const looked = await lookAt(machinery, { uri, signal }).catch((error: unknown) => {
    throw pointedAt('/uri', error);
  });
  const { schema } = looked.snapshot;
  const label = expression === null ? null : await checkLabel(machinery, expression, schema);
  const columns = schema.map((column) => ({ ...column, kind: kindOf(column) }));
  const shards = chooseShards(looked.snapshot);
  const program = programOf(columns, label);
  const results = await sample(machinery, { uri, program, shards, signal }).catch(
    (error: unknown) => {
      const isLabels = error instanceof GristmillError && error.code === 'SQL_RUNTIME';
      throw isLabels ? pointedAt('/label', error) : error;
    },
  );
  return {
    uri,
    ...looked.size,
    sampledRows: results.reduce((sum, { rows }) => sum + rows, 0),
    columns: columns.map((column, i) =>
      mergeColumn(
        column,
        results.map((result) => result.columns[i]!),
      ),
    ),
    label:
      label &&
      mergeLabel(
        { expression: expression!, kind: label.kind, columns: label.columns },
        results.flatMap((result) => result.label ?? []),
      ),
    sample: mergeSample(columns, results),
  };
}

type Size = Pick<DatasetView, 'objects' | 'footers' | 'rowGroups' | 'rows' | 'bytes'>;

/** Footers of all objects, or of some of very many: then rows and row groups follow from the bytes. */
export async function lookAt(
  { lake, readFooter, clock }: Pick<Machinery, 'lake' | 'readFooter' | 'clock'>,
  { uri, signal }: Pick<SurveyRequest, 'uri' | 'signal'>,
): Promise<{ snapshot: Snapshot; size: Size }> {
  const { objects: listing } = await listDataset(lake, uri);
  const some = spread(listing, LIMITS.surveyFootersMax);
  const read: FooterReader = async (object) => {
    signal.throwIfAborted();
    return readFooter(object);
  };
  const snapshot = await snapshotOf(uri, some, read, clock);
  checkSchema(snapshot.schema);
  const bytes = sumOf(listing, (object) => object.bytes);
  const scale = bytes / sumOf(some, (object) => object.bytes);
  const size = {
    objects: listing.length,
    footers: some.length,
    rowGroups: Math.round(scale * sumOf(snapshot.objects, ({ rowGroups }) => rowGroups.length)),
    rows: Math.round(scale * sumOf(snapshot.objects, ({ rows }) => rows)),
    bytes,
  };
  return { snapshot, size };
}

const sumOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0);

/** What features may make of a column; none may read what is called like a column of our own. */
export function kindOf({ name, type, unreadable }: SchemaColumn): ColumnKind | null {
  if (isOwnName(name) || unreadable !== undefined) return null;
  switch (columnTypeOf(type)) {
    case 'number':
      return type === 'BOOLEAN' ? 'boolean' : 'number';
    case 'string':
      return 'text';
    case 'time':
      return 'time';
    case undefined:
      return null;
  }
}

export const programOf = (
  columns: readonly SurveyedColumn[],
  label: SurveyProgram['label'],
): SurveyProgram => ({
  formatVersion: 1,
  kind: 'survey',
  columns: columns.map(({ name, type, kind }) =>
    kind === null ? { name, kind } : { name, kind, sql: lookSql({ name, type }) },
  ),
  source: columns.map((column) =>
    column.unreadable === undefined
      ? sourceColumn(column)
      : { name: column.name, type: 'INTEGER', from: 'nothing' },
  ),
  label: label && { sql: label.sql, kind: label.kind },
  rowsMax: LIMITS.surveyRowsMax,
  hashesMax: LIMITS.surveyHashesMax,
  topMax: LIMITS.surveyTopMax,
  textMax: LIMITS.surveyTextMax,
});

/** Bytes that are no text are missing here, and an error only where a job reads them as text. */
const lookSql = (column: Pick<SchemaColumn, 'name' | 'type'>): string =>
  column.type === 'BLOB' ? `try(${castSql(column)})` : castSql(column);

type Sampling = {
  readonly uri: string;
  readonly program: SurveyProgram;
  readonly shards: readonly Shard[];
  readonly signal: AbortSignal;
};

/** One task a shard. Results in the order of the shards. */
async function sample(machinery: Machinery, of: Sampling): Promise<SurveyResult[]> {
  if (of.shards.length === 0) return [];
  const { store, clock } = machinery;
  const late = new AbortController();
  const away = new AbortController();
  const over = new AbortController();
  void clock.sleep(LIMITS.surveyMs, over.signal).then(() => late.abort());
  void abortWhenAway(machinery, away, over.signal);
  const signal = AbortSignal.any([of.signal, late.signal, away.signal]);
  try {
    const numerics = await awaitNumerics(machinery, { ...of, signal });
    const program = await saveProgram(store, of.program);
    const tasks = of.shards.map((shard) =>
      makeTask({ stage: 'survey', program, input: { kind: 'shard', shard }, numerics }),
    );
    const results = await runTasks({
      ...machinery,
      tasks,
      signal,
    });
    return tasks.map((task) => resultOf(results, task));
  } catch (error) {
    if (of.signal.aborted) throw error;
    if (away.signal.aborted) throw queueAway(machinery, of.uri);
    if (!late.signal.aborted) throw error;
    throw tooLate(machinery, of.uri);
  } finally {
    over.abort();
  }
}

/** A client waits for the answer: that the queue is away is one, well before workers could be missed. */
async function abortWhenAway(
  { queue, clock }: Machinery,
  away: AbortController,
  over: AbortSignal,
): Promise<void> {
  for (let awayMs = 0; !over.aborted; awayMs += LIMITS.heartbeatMs / 2) {
    if (queue.isConnected()) awayMs = 0;
    else if (awayMs >= LIMITS.surveyQueueMs) return away.abort();
    await clock.sleep(LIMITS.heartbeatMs / 2, over);
  }
}

const queueAway = ({ queue }: Machinery, uri: string): GristmillError =>
  new GristmillError(
    'QUEUE_UNAVAILABLE',
    `Cannot look into dataset ${JSON.stringify(uri)}: the queue at ${queue.uri} does not answer, expected workers to be reached through it`,
  );

const resultOf = (results: ReadonlyMap<TaskId, Descriptor>, { task }: Task): SurveyResult =>
  results.get(task)!.result as SurveyResult;

/** The numerics with the most threads alive; a first worker may still be starting. */
async function awaitNumerics(
  { workers, clock }: Machinery,
  { uri, signal }: Sampling,
): Promise<string> {
  const endMs = clock.monotonicMs() + LIMITS.surveyWaitMs;
  for (;;) {
    const numerics = chooseNumerics(workers.live());
    if (numerics !== undefined) return numerics;
    if (clock.monotonicMs() >= endMs) throw noWorker(uri, LIMITS.surveyWaitMs);
    await clock.sleep(LIMITS.heartbeatMs / 2, signal);
    signal.throwIfAborted();
  }
}

const noWorker = (uri: string, waitedMs: number): GristmillError =>
  new GristmillError(
    'WORKERS_NONE',
    `Cannot look into dataset ${JSON.stringify(uri)}: no worker is alive after ${waitedMs / 1000} s, expected at least 1`,
  );

function tooLate({ workers }: Machinery, uri: string): GristmillError {
  if (workers.live().length === 0) return noWorker(uri, LIMITS.surveyMs);
  return new GristmillError(
    'WORKERS_BUSY',
    `Cannot look into dataset ${JSON.stringify(uri)}: workers have not come to it within ${LIMITS.surveyMs / 1000} s`,
  );
}
