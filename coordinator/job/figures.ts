// How many jobs are in which state, and what those that stand still wait for. Pure.
// In: the records of jobs that are not over. Out: counts by state, and one line for each thing waited for.
// Why the oldest wait is named: an alert tells a minute of waiting, which is usual, from an hour, which is not.
import { groupBy } from '../../common/group.ts';
import type { MetricName, Sample } from '../../common/http/metrics.ts';
import type { JobState } from '../../common/wire/job/job.ts';
import { WAITING_CODES } from '../../common/wire/waiting.ts';
import type { JobFigures, WaitingFigure } from './jobs.ts';
import type { JobRecord } from './record.ts';

export function countStates(records: Iterable<JobRecord>): ReadonlyMap<JobState, number> {
  const counts = new Map<JobState, number>(OPEN_STATES.map((state) => [state, 0]));
  for (const { view } of records)
    if (counts.has(view.state)) counts.set(view.state, counts.get(view.state)! + 1);
  return counts;
}

/** What most wait for comes first. */
export function countWaiting(records: Iterable<JobRecord>): readonly WaitingFigure[] {
  const all = [...records].flatMap(({ isEnded, progress }) =>
    isEnded ? [] : (progress.waiting ?? []),
  );
  return [...groupBy(all, ({ code }) => code).values()]
    .map((group) => {
      const oldest = group.reduce((a, b) => (b.since < a.since ? b : a));
      return { ...oldest, jobs: group.length };
    })
    .sort((a, b) => b.jobs - a.jobs);
}

/** For /metrics: every state and every reason has its line, so that an alert never asks for one that is missing. */
export function jobSamples({ states, ended, waiting }: JobFigures, now: number): readonly Sample[] {
  const of = (code: string): WaitingFigure | undefined => waiting.find((one) => one.code === code);
  const gauge = (
    name: MetricName,
    help: string,
    labels: Readonly<Record<string, string>>,
    value: number,
  ): Sample => ({ name, help, type: 'gauge', labels, value });
  return [
    ...[...states].map(([state, n]) =>
      gauge('gristmill_jobs', 'Jobs that have not ended, by state', { state }, n),
    ),
    ...[...ended].map(([state, value]) => ({
      name: 'gristmill_jobs_ended_total' as const,
      help: 'Jobs that ended in this process, by state',
      type: 'counter' as const,
      labels: { state },
      value,
    })),
    ...WAITING_CODES.map((reason) =>
      gauge(
        'gristmill_jobs_waiting',
        'Jobs that stand still, by what they wait for',
        { reason },
        of(reason)?.jobs ?? 0,
      ),
    ),
    ...WAITING_CODES.map((reason) =>
      gauge(
        'gristmill_job_waiting_seconds',
        'How long the first of them has stood still',
        { reason },
        Math.max(0, (now - (of(reason)?.since ?? now)) / 1000),
      ),
    ),
  ];
}

const OPEN_STATES: readonly JobState[] = ['queued', 'running', 'cancelling'];
