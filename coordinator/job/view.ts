// Folds a job's journal and its live progress into what clients see.
// In: entries, the progress of the stage that runs. Out: a JobView. Pure.
// Why a fold: the view after a restart is the view before it.
import { CODES, type WireError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import { foldFinding, NOTHING_FOUND, STAGE_NAMES } from '../../common/stage/stages.ts';
import type { Entry } from '../../common/store/journal.ts';
import type { JobState } from '../../common/wire/job/job.ts';
import type { JobEvent, JobView, StageView, TrainingView } from '../../common/wire/view.ts';
import type { Waiting } from '../../common/wire/waiting.ts';

/** What only the coordinator that runs the job knows; lost with it, and made anew. */
export type Progress = {
  readonly stages: ReadonlyMap<string, StageView>;
  readonly training: TrainingView | null;
  readonly waiting: Waiting | null;
  /** Why nobody here can read its spec, its place or its journal: seen as failed, and never recorded as that. */
  readonly unreadable: WireError | null;
};

export const NO_PROGRESS: Progress = {
  stages: new Map(),
  training: null,
  waiting: null,
  unreadable: null,
};

const ENDED: readonly JobState[] = ['succeeded', 'failed', 'cancelled'];
export const isEnded = (state: JobState): boolean => ENDED.includes(state);

export function foldView(
  job: { readonly id: JobId; readonly name: string; readonly at: number },
  entries: readonly Entry<JobEvent>[],
  progress: Progress,
): JobView {
  let view: JobView = {
    id: job.id,
    name: job.name,
    state: 'queued',
    decision: 'none',
    submittedAt: job.at,
    startedAt: null,
    finishedAt: null,
    error: null,
    waiting: null,
    waitingFor: null,
    stages: [],
    training: null,
    ...NOTHING_FOUND,
  };
  for (const { value } of entries) view = apply(view, value);
  if (progress.unreadable && !isEnded(view.state))
    view = { ...view, state: 'failed', error: told(progress.unreadable) };
  const stages = new Map(view.stages.map((stage) => [stage.stage as string, stage]));
  for (const [name, stage] of progress.stages) if (!stages.has(name)) stages.set(name, stage);
  const waiting = isEnded(view.state) ? null : progress.waiting;
  return {
    ...view,
    decision: view.gate?.decision ?? 'none',
    waiting: waiting?.words ?? null,
    waitingFor: waiting && { code: waiting.code, since: waiting.since },
    stages: STAGE_NAMES.flatMap((name) => stages.get(name) ?? []),
    training: progress.training,
  };
}

function apply(view: JobView, event: JobEvent): JobView {
  switch (event.kind) {
    case 'state':
      return applyState(view, event);
    case 'repinned':
      return view;
    case 'stage':
      return { ...view, stages: [...view.stages, event.view] };
    case 'found':
      return foldFinding(view, event);
  }
}

/** Ends are final: whatever a former coordinator wrote after one changes nothing. */
function applyState(view: JobView, event: Extract<JobEvent, { kind: 'state' }>): JobView {
  if (isEnded(view.state)) return view;
  return {
    ...view,
    state: event.state,
    startedAt: view.startedAt ?? (event.state === 'running' ? event.at : null),
    finishedAt: isEnded(event.state) ? event.at : null,
    error: event.error ? told(event.error) : null,
  };
}

const told = (error: WireError): JobView['error'] => ({
  ...error,
  remedy: CODES[error.code].remedy,
});
