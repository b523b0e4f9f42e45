// A job in hand for tests of one stage: store and queue in memory, a worker that answers each program from a table.
// In: answers by kind of program. Out: a context; the facts that were recorded, the programs that were run.
// Why a real worker: a stage is then seen to find its own results again, by the names that its tasks have.
import { systemClock as clock } from '../../common/clock.ts';
import { type JobId, type RunId, sha256Hex } from '../../common/ids.ts';
import { silentLog as log } from '../../common/log.ts';
import { createMemoryQueue } from '../../common/queue/memory.ts';
import type { TaskProgram } from '../../common/stage/stages.ts';
import type { SplitRanges } from '../../common/stage/terms.ts';
import { memoryStore } from '../../common/store/memory.ts';

import { type Plan, sameForAll } from '../../common/wire/plan.ts';
import { type PartRef, programKey, type Task } from '../../common/wire/task.ts';
import type { JobFact, TrainingView } from '../../common/wire/view.ts';
import { watchWorkers } from '../../coordinator/dispatch/workers.ts';
import type { TrainingContext } from '../../coordinator/stage/context.ts';
import type { Fitted } from '../../coordinator/stage/fit.ts';
import type { PreparedPart, PreparedRows } from '../../coordinator/stage/prepare.ts';
import type { Trained } from '../../coordinator/stage/train.ts';
import coordinatorThread from '../../coordinator/thread.ts';
import { startWorker } from '../../worker/supervisor.ts';
import { inlineChild } from './inline-child.ts';
import { getJson } from './json.ts';
import { MODEL_BYTES } from './registry.ts';
import { NUMERICS } from './tasks.ts';

type Kind = TaskProgram['kind'];
export type Answers = {
  readonly [K in Kind]?: (program: Extract<TaskProgram, { kind: K }>, task: Task) => unknown;
};
type Ran = { readonly program: TaskProgram; readonly task: Task };

export async function stageJob(answers: Answers, training: object = { slices: [] }) {
  const store = memoryStore();
  const queue = createMemoryQueue(clock);
  const [facts, ran, shown]: [JobFact[], Ran[], TrainingView[]] = [[], [], []];
  const workers = watchWorkers(queue, clock);
  const worker = startWorker({
    ...{ numerics: NUMERICS, threads: 4, memoryBytes: 2 ** 40, queue, store, clock, log },
    async execute(task) {
      const program = (await getJson<TaskProgram>(store, programKey(task.program)))!;
      ran.push({ program, task });
      const answer = answers[program.kind] as (program: TaskProgram, task: Task) => unknown;
      return {
        outcome: { result: answer(program, task), blobs: [], rows: 1 },
        cpuSeconds: 1,
        bytesRead: 5,
        async [Symbol.asyncDispose]() {},
      };
    },
  });
  const job = {
    ...{ store, queue, clock, workers, log, child: inlineChild(coordinatorThread) },
    id: 'j-1' as JobId,
    spec: { kind: 'training', seed: 7, clean: [], training },
    repins: [],
    signal: new AbortController().signal,
    record: async (fact: JobFact) => void facts.push(fact),
    show: () => {},
    showTraining: (view: TrainingView) => void shown.push(view),
  } as unknown as TrainingContext;
  return {
    ...{ job, store, queue, facts, ran, shown },
    /** Kinds of the programs that ran, one a task. */
    kinds: () => ran.map(({ program }) => program.kind),
    programsOf: <K extends Kind>(kind: K) =>
      ran.flatMap(({ program }) =>
        program.kind === kind ? [program as Extract<TaskProgram, { kind: K }>] : [],
      ),
    [Symbol.asyncDispose]: () => worker.stop(0),
  };
}

/** A part of `<name>.parquet`, with the split keys that it was seen to hold. */
export const partOf = (
  name: string,
  [splitMin, splitMax]: readonly [number | null, number | null],
): PreparedPart => ({
  part: {
    ...{ key: `parts/prepare/t/${name}.parquet`, sha256: sha256Hex(name), bytes: 1, rows: 10 },
    ...{ bucketOffsets: [], source: { key: `${name}.parquet`, rowStart: 0 } },
  } satisfies PartRef,
  ...{ splitMin, splitMax },
});

export const RANGES: SplitRanges = {
  train: { after: null, upTo: 100 },
  validation: { after: 100, upTo: 200 },
  test: { after: 200, upTo: 300 },
};

const sha256 = sha256Hex(MODEL_BYTES);
export const TRAINED: Trained = {
  trainDigest: sha256Hex('run') as unknown as RunId,
  model: { key: `parts/train/t/${sha256}.onnx`, sha256, bytes: MODEL_BYTES.length },
  signature: { inputs: [], label: 'binary', codes: [], numbers: [] },
  epochs: [{ loss: 0.6, validationLoss: 0.5, validationAuc: 0.7 }],
};

/** What earlier stages made: of four parts, `a` and `c` can hold test rows; `b` ends before them, `d` has no key. */
export const GIVEN = {
  plan: { snapshot: 's', numerics: sameForAll(NUMERICS) } as unknown as Plan,
  prepared: {
    ...{ rowsIn: 40, rowsOut: 40, dropped: {}, splitMax: 300 },
    parts: [
      partOf('a', [0, 250]),
      partOf('b', [0, 200]),
      partOf('c', [300, 300]),
      partOf('d', [null, null]),
    ],
  } satisfies PreparedRows,
  fitted: {
    ...{ ranges: RANGES, values: {}, load: { codes: [], numbers: [] }, baseline: [0.5] },
    ...{ counts: {}, labelScale: null },
  } as unknown as Fitted,
  trained: TRAINED,
};
