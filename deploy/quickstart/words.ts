// What a job's facts look like to a person.
// In: facts and views as the coordinator tells them. Out: lines of text.
// Why pure: what the quickstart says can be read in a test, without a cluster.
import type { JobView } from '../../cli/client.ts';
import { STAGES } from '../../common/stage/stages.ts';
import type { JobFact, StageView } from '../../common/wire/view.ts';
import { count, whole } from '../../common/words/figures.ts';
import { tellFound } from '../../common/words/found.ts';

/** The lines for one fact; none for those that say nothing new. */
export function describeFact(fact: JobFact, view: { readonly trainRows: number | null }): string[] {
  switch (fact.kind) {
    case 'state':
    case 'repinned':
      return [];
    case 'stage':
      return [entry(fact.view.stage, describeStage(fact.view, view))];
    case 'found':
      return Object.entries(fact.value).flatMap(([name, value]) =>
        tellFound(name, value).flatMap(({ label, line, long = line, more = [] }) => [
          entry(label, long),
          ...more.map((one) => entry('', `  ${one}`)),
        ]),
      );
  }
}

/** Where a running job stands, in one line, and how far the stage is. */
export function describeProgress(view: JobView): { text: string; share?: number } {
  if (view.waiting) return { text: `waiting: ${view.waiting}` };
  const stage = view.stages.findLast(({ tasks }) => tasks.done < tasks.total) ?? view.stages.at(-1);
  if (!stage) return { text: view.state };
  const { done, total } = stage.tasks;
  const share = total > 0 ? done / total : 0;
  const training = stage.stage === 'train' ? view.training : null;
  if (training && training.rounds > 0) {
    const loss = training.loss === null ? '' : `, loss ${training.loss.toFixed(4)}`;
    const speed = training.rowsPerSecond ? `, ${whole(training.rowsPerSecond)} rows/s` : '';
    return {
      text: `train: step ${training.round} of ${training.rounds}${loss}${speed}`,
      share: training.round / training.rounds,
    };
  }
  const eta =
    stage.etaSeconds && stage.etaSeconds >= 1 ? `, ${stage.etaSeconds.toFixed(0)} s left` : '';
  return { text: `${stage.stage}: ${done} of ${count(total, 'task')}${eta}`, share };
}

function describeStage(stage: StageView, { trainRows }: { trainRows: number | null }): string {
  const { done, reused } = stage.tasks;
  const { unit } = STAGES[stage.stage];
  const tasks = `${count(done, unit)}${reused > 0 ? ` (${whole(reused)} reused, ${whole(done - reused)} computed)` : ''}`;
  const rows = stage.rows > 0 ? `, ${whole(stage.rows)} rows` : '';
  const samples = stage.stage === 'train' ? samplesPerSecond(stage, trainRows) : undefined;
  const speed = samples ? `, ${whole(samples)} samples/s` : '';
  return `${tasks}${rows}, ${stage.seconds.toFixed(1)} s (CPU ${stage.cpuSeconds.toFixed(1)} s)${speed}`;
}

/** Training rows, once an epoch, by wall time. */
export function samplesPerSecond(stage: StageView, seen: number | null): number | undefined {
  const rows = stage.rows > 0 ? stage.rows : (seen ?? 0);
  return rows > 0 && stage.seconds > 0 ? rows / stage.seconds : undefined;
}

export const entry = (label: string, text: string): string => `  ${label.padEnd(10)} ${text}`;
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
