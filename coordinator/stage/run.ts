// Runs the tasks of one stage, in as many batches as the stage needs, and keeps its account.
// In: tasks, made as they are asked for. Out: each result as it comes; a StageView while they run and a `stage` fact at the end.
// Why one account a stage: fit runs level by level and evaluate in three passes, but a user sees one line.
// Why results as they come: a driver folds them or keeps a name of each; a million descriptors are never held.
import { GristmillError } from '../../common/errors.ts';
import type { Program, Stage } from '../../common/stage/stages.ts';
import type { Attempt, Descriptor, ResultRef, Task, TaskInput } from '../../common/wire/task.ts';
import type { StageView } from '../../common/wire/view.ts';
import { dispatchTasks } from '../dispatch/offer.ts';
import { makeTask, storeProgram } from '../plan/tasks.ts';
import type { TaskContext } from './context.ts';

/** A program and what each task of it reads. */
type Work = {
  readonly program: Program;
  readonly inputs: readonly TaskInput[];
  readonly numerics: string;
};

export class StageRun {
  readonly #job: TaskContext;
  readonly #stage: Stage;
  readonly #startedMs: number;
  #done = 0;
  #total = 0;
  #reused = 0;
  #rows = 0;
  #bytes = 0;
  #cpuSeconds = 0;

  constructor(job: TaskContext, stage: Stage) {
    this.#job = job;
    this.#stage = stage;
    this.#startedMs = job.clock.monotonicMs();
    this.#show();
  }

  /** Stores a program and runs it on each input; refs and results in input order, for inputs that are few. */
  async compute<R>(
    of: Work,
    rowsOf?: (result: R) => number,
  ): Promise<{ readonly refs: readonly ResultRef[]; readonly results: readonly R[] }> {
    const results = new Array<R>(of.inputs.length);
    const refs = await this.#work<R>(of, rowsOf, (result, index) => {
      results[index] = result;
    });
    return { refs, results };
  }

  /** As compute, where only other tasks read the results: an input may be there for every part. */
  refs<R>(of: Work, rowsOf?: (result: R) => number): Promise<readonly ResultRef[]> {
    return this.#work<R>(of, rowsOf, () => {});
  }

  async #work<R>(
    { program, inputs, numerics }: Work,
    rowsOf: ((result: R) => number) | undefined,
    keep: (result: R, index: number) => void,
  ): Promise<readonly ResultRef[]> {
    const stage = this.#stage;
    const { digest, isNew } = await storeProgram(this.#job.store, program);
    const tasksOf = function* (): Generator<Task> {
      for (const input of inputs) yield makeTask({ stage, program: digest, input, numerics });
    };
    const refs = new Array<ResultRef>(inputs.length);
    await this.run<R>(
      { tasks: tasksOf(), count: inputs.length, isNew, rowsOf },
      ({ task, result }, index, group) => {
        refs[index] = group === undefined ? { stage, task } : { stage, task, group };
        keep(result, index);
      },
    );
    return refs;
  }

  /** `onResult` is called once for each task, with its place among them, as its result becomes known. */
  async run<R>(
    of: {
      readonly tasks: Iterable<Task>;
      readonly count: number;
      /** None can have a result yet. */
      readonly isNew?: boolean;
      /** How many rows a result stands for, for progress. */
      readonly rowsOf?: ((result: R) => number) | undefined;
    },
    onResult: (descriptor: Descriptor<R>, index: number, group: string | undefined) => void,
  ): Promise<void> {
    const { rowsOf = () => 0, isNew = false } = of;
    this.#total += of.count;
    const { store, queue, clock, workers, signal, log, stand, tally } = this.#job;
    let count = 0;
    await dispatchTasks({
      ...{ tasks: of.tasks, isNew, store, queue, clock, workers, signal, log, stand },
      onFailure: ({ error }) => tally?.attemptFailed(error.code),
      onResult: (found, { index, isReused, group }) => {
        const descriptor = found as Descriptor<R>;
        onResult(descriptor, index, group);
        count += 1;
        this.#done += 1;
        this.#rows += rowsOf(descriptor.result);
        if (isReused) this.#reused += 1;
        else this.#charge(descriptor.attempt);
        tally?.tasks(this.#stage, { computed: isReused ? 0 : 1, reused: isReused ? 1 : 0 });
        this.#show();
      },
    });
    if (count === of.count) return;
    throw new GristmillError(
      'INTERNAL',
      `Cannot go on after ${this.#stage}: ${count} tasks have a result, expected ${of.count}`,
    );
  }

  #charge({ bytesRead, cpuSeconds }: Attempt): void {
    this.#bytes += bytesRead;
    this.#cpuSeconds += cpuSeconds;
  }

  /** For train, whose work is rounds. */
  count(work: {
    done: number;
    total: number;
    reused: number;
    rows: number;
    cpuSeconds: number;
  }): void {
    this.#done = work.done;
    this.#total = work.total;
    this.#reused = work.reused;
    this.#rows = work.rows;
    this.#cpuSeconds = work.cpuSeconds;
    this.#show();
  }

  async finish(): Promise<void> {
    await this.#job.record({ kind: 'stage', view: { ...this.#view(), etaSeconds: null } });
  }

  #show(): void {
    this.#job.show(this.#view());
  }

  #view(): StageView {
    const seconds = (this.#job.clock.monotonicMs() - this.#startedMs) / 1000;
    const computed = this.#done - this.#reused;
    const left = this.#total - this.#done;
    return {
      stage: this.#stage,
      tasks: { done: this.#done, total: this.#total, reused: this.#reused },
      rows: this.#rows,
      bytes: this.#bytes,
      seconds,
      cpuSeconds: this.#cpuSeconds,
      etaSeconds: computed > 0 ? (seconds / computed) * left : null,
    };
  }
}
