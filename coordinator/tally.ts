// What this coordinator has counted since it started, for whoever shall be woken: tasks, failed attempts, moves of aliases.
// In: events, where they happen. Out: samples for /metrics. Why not read from the store: rates are what alerts ask for.
import type { Sample } from '../common/http/metrics.ts';
import type { AliasEntry } from '../common/wire/model.ts';

const COUNTERS = {
  gristmill_tasks_total:
    'Tasks of jobs that are done, by stage: computed here, or reused as they lay in the store',
  gristmill_task_failures_total: 'Attempts at tasks that failed, by code; most are tried again',
  gristmill_promotions_total: 'Decisions on aliases, by what became of them',
  gristmill_store_errors_total: 'Errors of the store, by code; most are ridden out',
} as const;
type Name = keyof typeof COUNTERS;
type Labels = Readonly<Record<string, string>>;

export class Tally {
  readonly #counts = new Map<string, { name: Name; labels: Labels; value: number }>();

  constructor() {
    // there from the start: an alert on a series that is missing says nothing
    for (const kind of ['moved', 'refused', 'returned', 'overridden'] as const)
      this.#add('gristmill_promotions_total', { kind }, 0);
  }

  /** Both counts are of one stage, since the last call. */
  tasks(stage: string, { computed, reused }: { computed: number; reused: number }): void {
    this.#add('gristmill_tasks_total', { stage, outcome: 'computed' }, computed);
    this.#add('gristmill_tasks_total', { stage, outcome: 'reused' }, reused);
  }

  attemptFailed(code: string): void {
    this.#add('gristmill_task_failures_total', { code });
  }

  promotion(kind: AliasEntry['kind']): void {
    this.#add('gristmill_promotions_total', { kind });
  }

  storeFailed(code: string): void {
    this.#add('gristmill_store_errors_total', { code });
  }

  samples(): readonly Sample[] {
    return [...this.#counts.values()].map((one) => ({
      ...one,
      help: COUNTERS[one.name],
      type: 'counter',
    }));
  }

  #add(name: Name, labels: Labels, by = 1): void {
    const key = [name, ...Object.values(labels)].join('/');
    const count = this.#counts.get(key) ?? { name, labels, value: 0 };
    count.value += by;
    this.#counts.set(key, count);
  }
}
