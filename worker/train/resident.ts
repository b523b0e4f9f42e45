// Training in the child's main thread: drives the rounds, owns the state, has threads compute.
// In: what the host posts. Out: round messages, checkpoints, the result, a status.
// Why here: threads add up in shared memory, and the host, which must stay well, only relays bytes.
//
//   host ── views, messages, loaded ──▶ resident ── compute ──▶ threads (rows, ONNX Runtime)
//        ◀─ messages, save, finish ───     Round  ◀── sums ────
import { sumLength } from '../../common/algorithm/gradients.ts';
import { isKeptRound, roundCount, roundPlan, rowsBefore } from '../../common/algorithm/schedule.ts';
import { validationLength } from '../../common/algorithm/validation.ts';
import type { ResidentContext } from '../../common/child/protocol.ts';
import { systemClock } from '../../common/clock.ts';
import { toWireError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { RunStatus } from '../../common/wire/event.ts';
import type { RunView } from '../../common/wire/round.ts';
import {
  Assembler,
  cutMessage,
  decodeMessage,
  encodeMessage,
  type SumArray,
  type SumShape,
} from '../rounds/encode.ts';
import { Round, type RoundAction, type RoundEvent } from '../rounds/round.ts';
import type { ToHost, ToResident } from './messages.ts';
import { Progress } from './progress.ts';
import { Threads } from './threads.ts';

/** One run at a time: the host ends one before it begins another. */
export function startResident(context: ResidentContext): void {
  let training: Training | undefined;
  context.onPost((posted) => {
    const message = posted as ToResident;
    if (message.kind === 'train') training = new Training(context, message);
    else if (training?.run === message.run) training.onMessage(message);
  });
}

type Begin = Extract<ToResident, { kind: 'train' }>;

class Training {
  readonly #context: ResidentContext;
  readonly #begin: Begin;
  readonly #threads: Threads;
  readonly #round: Round<SumArray>;
  readonly #assembler: Assembler;
  readonly #ticks: NodeJS.Timeout;
  readonly #merged = new Map<string, SumArray>();
  readonly #cpuAtStart = process.cpuUsage();
  #progress: Progress | undefined;
  #view: RunView | undefined;
  #loadCount = 0;
  #roundAtStart: number | undefined;
  #isOver = false;

  constructor(context: ResidentContext, begin: Begin) {
    const { program, files, scratch } = begin;
    this.#context = context;
    this.#begin = begin;
    this.#threads = new Threads({ context, program, files, scratch });
    this.#assembler = new Assembler((round) => this.#shapeOf(round));
    this.#round = new Round<SumArray>(
      {
        worker: begin.worker,
        rounds: roundCount(program),
        helloMs: LIMITS.helloMs,
        isKept: (round) => isKeptRound(program, round),
      },
      {
        merge: (node, left, right) => this.#merge(node, left, right),
        step: (_round, sum) => this.#progress!.step(sum),
        digest: () => this.#progress?.digest() ?? 0,
      },
    );
    this.#ticks = setInterval(() => this.#on({ kind: 'tick', nowMs: now() }), LIMITS.roundTickMs);
    this.#reportStatus();
  }

  get run(): Begin['run'] {
    return this.#begin.run;
  }

  onMessage(message: Exclude<ToResident, { kind: 'train' }>): void {
    if (this.#isOver) {
      if (message.kind === 'stop') void this.#stop();
      return;
    }
    switch (message.kind) {
      case 'view':
        this.#onView(message.view);
        break;
      case 'message': {
        const decoded = decodeMessage(message.bytes);
        const whole = decoded && this.#assembler.add(decoded);
        if (whole) this.#on({ kind: 'message', message: whole, nowMs: now() });
        break;
      }
      case 'saved':
        this.#on({ kind: 'saved', checkpoint: message.checkpoint, nowMs: now() });
        break;
      case 'loaded':
        this.#onLoaded(message.load, message.bytes);
        break;
      case 'stop':
        void this.#stop();
        break;
    }
  }

  #onView(view: RunView): void {
    if (view.generation < this.#round.generation) return;
    this.#view = view;
    this.#hold();
    this.#on({ kind: 'view', view, nowMs: now() });
    this.#reportStatus();
  }

  /** Rows of the lanes that it owns, and of those that it is to own. */
  #wanted(): number[] {
    const { laneOwner, joining } = this.#view!;
    const { worker } = this.#begin;
    const own = [...laneOwner.keys()].filter((lane) => laneOwner[lane] === worker);
    const coming = joining.find((each) => each.worker === worker)?.lanes ?? [];
    return [...new Set([...own, ...coming])].sort((a, b) => a - b);
  }

  #hold(): void {
    this.#attempt(async () => {
      await this.#threads.hold(this.#wanted());
      this.#reportStatus();
    });
  }

  #on(event: RoundEvent<SumArray>): void {
    if (this.#isOver) return;
    try {
      const before = this.#round.mode;
      for (const action of this.#round.on(event)) this.#perform(action);
      if (this.#round.mode === 'done' && before !== 'done') this.#reportStatus();
    } catch (error) {
      this.#fail(error);
    }
  }

  #perform(action: RoundAction<SumArray>): void {
    switch (action.kind) {
      case 'compute':
        this.#attempt(() => this.#compute(action));
        break;
      case 'send':
        for (const part of cutMessage(action.message)) {
          this.#post({ kind: 'send', run: this.run, bytes: encodeMessage(part) });
        }
        break;
      case 'save':
        this.#post({
          kind: 'save',
          run: this.run,
          round: action.round,
          bytes: this.#progress!.encode(),
        });
        break;
      case 'load':
        this.#load(action.checkpoint);
        break;
      case 'finish':
        this.#finish();
        break;
      case 'release':
        this.#loadCount++;
        this.#progress = undefined;
        break;
    }
  }

  async #compute(action: Extract<RoundAction<SumArray>, { kind: 'compute' }>): Promise<void> {
    const { attempt, round, lanes } = action;
    const held = new Set(this.#threads.lanes);
    if (!lanes.every((lane) => held.has(lane))) await this.#threads.hold(this.#wanted());
    if (this.#progress?.round !== round) return; // released or gone on meanwhile
    const sums = await this.#threads.compute(round, this.#progress.weights, lanes);
    this.#on({ kind: 'computed', attempt, sums, nowMs: now() });
  }

  #load(checkpoint: Extract<RoundAction<SumArray>, { kind: 'load' }>['checkpoint']): void {
    const load = ++this.#loadCount;
    if (checkpoint) this.#post({ kind: 'load', run: this.run, load, checkpoint });
    else queueMicrotask(() => this.#onLoaded(load, undefined, Progress.fromSeed));
  }

  /** A later load, or a release, makes an answer void. */
  #onLoaded(
    load: number,
    bytes: Uint8Array | undefined,
    make?: (program: Begin['program']) => Progress,
  ): void {
    if (load !== this.#loadCount || this.#isOver) return;
    const { program } = this.#begin;
    try {
      if (make) this.#progress = make(program);
      else if (bytes) this.#progress = Progress.fromCheckpoint(program, bytes);
    } catch (error) {
      this.#fail(error);
      return;
    }
    const round = make || bytes ? this.#progress?.round : undefined;
    this.#roundAtStart ??= round;
    this.#on({ kind: 'loaded', round, nowMs: now() });
  }

  #finish(): void {
    const progress = this.#progress!;
    this.#post({
      kind: 'finish',
      run: this.run,
      bytes: progress.encodeState(),
      result: progress.result(),
      cpuSeconds: this.#cpuSeconds(),
    });
  }

  /** Into a buffer of its own, as children must stay: one a node, in turn for even and odd rounds. */
  #merge(node: number, left: SumArray, right: SumArray): SumArray {
    const isStep = left instanceof Float32Array;
    const key = `${isStep ? 'step' : 'measure'} ${node} ${this.#round.round % 2}`;
    const known = this.#merged.get(key);
    const sum = known ?? (isStep ? new Float32Array(left.length) : new Float64Array(left.length));
    if (!known) this.#merged.set(key, sum);
    if (isStep) addFloats(sum as Float32Array, left, right as Float32Array);
    else addDoubles(sum as Float64Array, left as Float64Array, right as Float64Array);
    return sum;
  }

  #shapeOf(round: number): SumShape | undefined {
    const { program } = this.#begin;
    if (round >= roundCount(program)) return undefined;
    return roundPlan(program, round).kind === 'step'
      ? {
          bytes: 4 * sumLength(program.parameters),
          make: ({ buffer }) => new Float32Array(buffer),
        }
      : {
          bytes: 8 * validationLength(program.label),
          make: ({ buffer }) => new Float64Array(buffer),
        };
  }

  /** Errors of what goes on beside events end the run at this worker. */
  #attempt(act: () => Promise<void>): void {
    act().catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#ticks);
    this.#post({ kind: 'failed', run: this.run, error: toWireError(error) });
  }

  async #stop(): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#ticks);
    await this.#threads.close();
    this.#post({ kind: 'stopped', run: this.run });
  }

  /** With every view, which come once a heartbeat, and when rows are there. */
  #reportStatus(): void {
    if (this.#isOver) return;
    this.#post({
      kind: 'status',
      run: this.run,
      status: this.#status(),
      threads: this.#threads.count,
    });
  }

  #status(): RunStatus {
    const { program } = this.#begin;
    const round = this.#progress?.round ?? 0;
    const lanesLoaded = this.#threads.lanes;
    return {
      run: this.run,
      generation: this.#round.generation,
      round,
      lanesLoaded,
      phase: this.#phase(lanesLoaded),
      rows: rowsBefore(program, round) - rowsBefore(program, this.#roundAtStart ?? round),
      loss: this.#progress?.loss ?? 0,
      cpuSeconds: this.#cpuSeconds(),
    };
  }

  #phase(lanesLoaded: readonly number[]): RunStatus['phase'] {
    const { mode } = this.#round;
    if (mode === 'done') return 'done';
    const held = new Set(lanesLoaded);
    if (!this.#view || !this.#wanted().every((lane) => held.has(lane))) return 'loading';
    return mode === 'outside' ? 'ready' : 'running';
  }

  #cpuSeconds(): number {
    const { user, system } = process.cpuUsage(this.#cpuAtStart);
    return (user + system) / 1e6;
  }

  #post(message: ToHost): void {
    this.#context.post(message);
  }
}

const now = (): number => systemClock.monotonicMs();

function addFloats(sum: Float32Array, left: Float32Array, right: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = left[i]! + right[i]!;
}
function addDoubles(sum: Float64Array, left: Float64Array, right: Float64Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = left[i]! + right[i]!;
}
