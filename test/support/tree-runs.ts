// A stage whose tasks run here at once: the real runners over real files, without queue or store.
// In: programs and inputs, as a driver gives them; score files made of rows. Out: refs and results, and every input seen.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOf, type TaskId } from '../../common/ids.ts';
import type { ScoreResult } from '../../common/stage/evaluate.ts';
import type { TaskProgram } from '../../common/stage/stages.ts';
import {
  type Descriptor,
  dataKey,
  type ResultRef,
  type TaskInput,
} from '../../common/wire/task.ts';
import type { Compute } from '../../coordinator/stage/fan-in.ts';
import { blobsInResults, inputsOf } from '../../worker/stage/inputs.ts';
import type { Outcome, Prepared } from '../../worker/stage/runner.ts';

export type ScoreRow = { readonly scores: readonly number[]; readonly label: number };
type Run = (kind: string, prepared: Prepared) => Promise<Outcome>;

export class TreeRuns implements Compute {
  readonly inputs: TaskInput[] = [];
  readonly #folder: string;
  readonly #run: Run;
  readonly #descriptors = new Map<TaskId, Descriptor>();
  readonly #files = new Map<string, string>();
  #count = 0;

  constructor(folder: string, run: Run) {
    this.#folder = folder;
    this.#run = run;
  }

  /** A score task's result, as if it had run. */
  async scored(rows: readonly ScoreRow[]): Promise<ResultRef> {
    const words = rows.flatMap(({ scores, label }) => [...scores, label]);
    const bytes = Buffer.from(Float32Array.from(words).buffer);
    const task = this.#nextTask();
    const ref = {
      key: dataKey('evaluate', task, 'scores.bin'),
      sha256: 'a'.repeat(64) as Digest,
      bytes: bytes.length,
    };
    const path = join(this.#folder, `${task}.bin`);
    await writeFile(path, bytes);
    this.#files.set(ref.key, path);
    const result: ScoreResult = {
      rows: rows.length,
      scores: rows.length > 0 ? ref : null,
      slices: [],
      sliceValues: {},
    };
    return this.#commit(task, result);
  }

  async compute<R>({ program, inputs }: Parameters<Compute['compute']>[0]) {
    const refs = await this.refs({ program, inputs, numerics: '' });
    return { refs, results: refs.map(({ task }) => this.#descriptors.get(task)!.result as R) };
  }

  async refs({ program, inputs }: Parameters<Compute['compute']>[0]): Promise<ResultRef[]> {
    const refs: ResultRef[] = [];
    for (const input of inputs) refs.push(await this.#task(program as TaskProgram, input));
    return refs;
  }

  async #task(program: TaskProgram, input: TaskInput): Promise<ResultRef> {
    this.inputs.push(input);
    const task = this.#nextTask();
    const scratch = join(this.#folder, task);
    await mkdir(scratch);
    const { blobs, results } = inputsOf(program, input);
    const descriptors = results.map((ref) => this.#descriptors.get(ref.task)!);
    const keys = [...blobs, ...blobsInResults(descriptors)].map(({ key }) => key);
    const outcome = await this.#run(program.kind, {
      task,
      stage: 'evaluate',
      program,
      input,
      files: Object.fromEntries(keys.map((key) => [key, this.#files.get(key)!])),
      json: Object.fromEntries(descriptors.map((one) => [one.task, one])),
      scratch,
      memoryBytes: 0,
    });
    for (const { sha256, file, path } of outcome.blobs) {
      this.#files.set(dataKey('evaluate', task, `${sha256}.${file}`), path);
    }
    return this.#commit(task, outcome.result);
  }

  #commit(task: TaskId, result: unknown): ResultRef {
    const stated = JSON.parse(JSON.stringify(result)) as unknown; // as a store gives it back
    this.#descriptors.set(task, { task, result: stated } as Descriptor);
    return { stage: 'evaluate', task };
  }

  #nextTask(): TaskId {
    return digestOf(this.#count++) as string as TaskId;
  }
}
