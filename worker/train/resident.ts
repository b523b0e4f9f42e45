// Training in the child's main thread: drives the rounds, owns the state, has threads compute.
// In: what the host posts. Out: round messages, checkpoints, the result, a status.
// Why here: threads add up in shared memory, and the host, which must stay well, only relays bytes.
//
//   host ── views, messages, loaded ──▶ resident ── compute ──▶ threads (rows, ONNX Runtime)
//        ◀─ messages, save, finish ───     Round  ◀── sums ────
import { bytesOfSum, type State, type Sum, viewSum } from '../../common/algorithm/algorithm.ts';
import type { ResidentContext } from '../../common/child/protocol.ts';
import { systemClock } from '../../common/clock.ts';
import { makeDeferred } from '../../common/deferred.ts';
import { toWireError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { RunStatus } from '../../common/wire/event.ts';
import type { RunView } from '../../common/wire/round.ts';
import { Assembler, cutMessage, decodeMessage, encodeMessage } from '../rounds/encode.ts';
import { Round, type RoundAction, type RoundEvent } from '../rounds/round.ts';
import { algorithmOf } from './algorithms/algorithms.ts';
import type { ToHost, ToResident } from './messages.ts';
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
  readonly #algorithm: ReturnType<typeof algorithmOf>;
  readonly #threads: Threads;
  readonly #round: Round<Sum>;
  readonly #assembler: Assembler;
  readonly #ticks: NodeJS.Timeout;
  readonly #merged = new Map<string, Sum>();
  readonly #cpuAtStart = process.cpuUsage();
  #state: State | undefined;
  #view: RunView | undefined;
  #loadCount = 0;
  /** Lanes whose rows the host has brought, and what waits for more of them. */
  readonly #brought = new Set<number>();
  readonly #needs = new Map<number, () => void>();
  #needCount = 0;
  #roundAtStart: number | undefined;
  #isOver = false;

  constructor(context: ResidentContext, begin: Begin) {
    const { program, files, scratch } = begin;
    this.#context = context;
    this.#begin = begin;
    this.#threads = new Threads({ context, program, files, scratch });
    const algorithm = algorithmOf(program);
    this.#algorithm = algorithm;
    this.#assembler = new Assembler((round) =>
      round < algorithm.rounds ? algorithm.sumOf(round) : undefined,
    );
    this.#round = new Round<Sum>(
      {
        worker: begin.worker,
        rounds: algorithm.rounds,
        helloMs: LIMITS.helloMs,
        isKept: (round) => algorithm.isKept(round),
      },
      {
        merge: (node, left, right) => this.#merge(node, left, right),
        step: (_round, sum) => this.#state!.step(sum),
        digest: () => this.#state?.digest() ?? 0,
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
      case 'brought':
        this.#needs.get(message.need)?.();
        this.#needs.delete(message.need);
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
      await this.#holdWanted();
      this.#reportStatus();
    });
  }

  async #holdWanted(): Promise<void> {
    const lanes = this.#wanted();
    await this.#bring(lanes);
    if (!this.#isOver) await this.#threads.hold(lanes);
  }

  /** Answers come in the order of the questions, so that lanes are held in the order of views. */
  async #bring(lanes: readonly number[]): Promise<void> {
    if (this.#needs.size === 0 && lanes.every((lane) => this.#brought.has(lane))) return;
    const need = ++this.#needCount;
    const { promise, resolve } = makeDeferred<void>();
    this.#needs.set(need, resolve);
    this.#post({ kind: 'need', run: this.run, need, lanes });
    await promise;
    for (const lane of lanes) this.#brought.add(lane);
  }

  #on(event: RoundEvent<Sum>): void {
    if (this.#isOver) return;
    try {
      const before = this.#round.mode;
      for (const action of this.#round.on(event)) this.#perform(action);
      if (this.#round.mode === 'done' && before !== 'done') this.#reportStatus();
    } catch (error) {
      this.#fail(error);
    }
  }

  #perform(action: RoundAction<Sum>): void {
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
          epochs: this.#state!.epochs,
          bytes: this.#state!.encode(),
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
        this.#state = undefined;
        break;
    }
  }

  async #compute(action: Extract<RoundAction<Sum>, { kind: 'compute' }>): Promise<void> {
    const { attempt, round, lanes } = action;
    const held = new Set(this.#threads.lanes);
    if (!lanes.every((lane) => held.has(lane))) await this.#holdWanted();
    if (this.#state?.round !== round) return; // released or gone on meanwhile
    const sums = await this.#threads.compute(round, this.#state.shared, lanes);
    this.#on({ kind: 'computed', attempt, sums, nowMs: now() });
  }

  #load(checkpoint: Extract<RoundAction<Sum>, { kind: 'load' }>['checkpoint']): void {
    const load = ++this.#loadCount;
    if (checkpoint) this.#post({ kind: 'load', run: this.run, load, checkpoint });
    else queueMicrotask(() => this.#onLoaded(load, undefined, () => this.#algorithm.init()));
  }

  /** A later load, or a release, makes an answer void. */
  #onLoaded(load: number, bytes: Uint8Array | undefined, make?: () => State): void {
    if (load !== this.#loadCount || this.#isOver) return;
    try {
      if (make) this.#state = make();
      else if (bytes) this.#state = this.#algorithm.decode(bytes);
    } catch (error) {
      this.#fail(error);
      return;
    }
    const round = make || bytes ? this.#state?.round : undefined;
    this.#roundAtStart ??= round;
    this.#on({ kind: 'loaded', round, nowMs: now() });
  }

  #finish(): void {
    const state = this.#state!;
    this.#post({
      kind: 'finish',
      run: this.run,
      bytes: state.encodeTrained(),
      figures: state.figures(),
      cpuSeconds: this.#cpuSeconds(),
    });
  }

  /** Into a buffer of its own, as children must stay: one a node, in turn for even and odd rounds. */
  #merge(node: number, left: Sum, right: Sum): Sum {
    const { round } = this.#round;
    const shape = this.#algorithm.sumOf(round);
    const key = `${shape.numbers} ${shape.length} ${node} ${round % 2}`;
    const sum = this.#merged.get(key) ?? viewSum(shape, new ArrayBuffer(bytesOfSum(shape)));
    this.#merged.set(key, sum);
    this.#algorithm.merge(sum, left, right);
    return sum;
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
    const { rowsBefore } = this.#algorithm;
    const round = this.#state?.round ?? 0;
    const lanesLoaded = this.#threads.lanes;
    return {
      run: this.run,
      generation: this.#round.generation,
      round,
      lanesLoaded,
      phase: this.#phase(lanesLoaded),
      rows: rowsBefore(round) - rowsBefore(this.#roundAtStart ?? round),
      loss: this.#state?.loss ?? 0,
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
