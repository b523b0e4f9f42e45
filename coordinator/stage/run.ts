// Runs the tasks of one stage, in as many batches as the stage needs, and keeps its account.
// In: tasks. Out: their descriptors in task order; a StageView while they run and a `stage` fact at the end.
// Why one account a stage: fit runs level by level and evaluate in three passes, but a user sees one line.
import { GristmillError } from '../../common/errors.ts';
import type { Program, Stage } from '../../common/stage/stages.ts';
import type { Attempt, Descriptor, ResultRef, Task, TaskInput } from '../../common/wire/task.ts';
import type { StageView } from '../../common/wire/view.ts';
import { runTasks } from '../dispatch/offer.ts';
import { makeTask, storeProgram } from '../plan/tasks.ts';
import type { TaskContext } from './context.ts';

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

  /** Stores a program and runs it on each input; refs and results in input order. */
  async compute<R>(
    of: {
      readonly program: Program;
      readonly inputs: readonly TaskInput[];
      readonly numerics: string;
    },
    rowsOf: (result: R) => number = () => 0,
  ): Promise<{ readonly refs: readonly ResultRef[]; readonly results: readonly R[] }> {
    const stage = this.#stage;
    const { digest: program, isNew } = await storeProgram(this.#job.store, of.program);
    const tasks = of.inputs.map((input) =>
      makeTask({ stage, program, input, numerics: of.numerics }),
    );
    const descriptors = await this.run<R>(tasks, rowsOf, { isNew });
    return {
      refs: tasks.map(({ task }) => ({ stage, task })),
      results: descriptors.map(({ result }) => result),
    };
  }

  /** `rowsOf` tells how many rows a result stands for, for progress; `isNew`: none can be there yet. */
  async run<R>(
    tasks: readonly Task[],
    rowsOf: (result: R) => number = () => 0,
    { isNew = false }: { isNew?: boolean } = {},
  ): Promise<Descriptor<R>[]> {
    const before = { done: this.#done, reused: this.#reused };
    this.#total += tasks.length;
    const { store, queue, clock, workers, signal, log, stand, tally } = this.#job;
    let reusedBefore = 0;
    const found = await runTasks({
      tasks,
      isNew,
      store,
      queue,
      clock,
      workers,
      signal,
      log,
      stand,
      onFailure: ({ error }) => tally?.attemptFailed(error.code),
      onProgress: ({ done, reused, descriptor }) => {
        this.#done = before.done + done;
        this.#reused = before.reused + reused;
        this.#rows += rowsOf(descriptor.result as R);
        const isComputed = reused === reusedBefore; // for this job
        if (isComputed) this.#charge(descriptor.attempt);
        tally?.tasks(this.#stage, { computed: isComputed ? 1 : 0, reused: isComputed ? 0 : 1 });
        reusedBefore = reused;
        this.#show();
      },
    });
    const descriptors = tasks.map(({ task }) => {
      const descriptor = found.get(task);
      if (!descriptor)
        throw new GristmillError(
          'INTERNAL',
          `Cannot go on after ${this.#stage}: task ${task} has no result`,
        );
      return descriptor as Descriptor<R>;
    });
    return descriptors;
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
