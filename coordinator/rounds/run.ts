// Runs one training: tells workers who owns which lanes until the result is in the store.
// In: a train program, heartbeats. Out: the descriptor of the result; progress on the way.
// Why thin: members.ts decides; here are the journal of generations, the views, and the wait for the commit.
// Flow: job → snapshot → plan → prepare → fit → [train] → evaluate → prove → publish → gate → predictions
import { scheduleOf } from '../../common/algorithm/algorithms.ts';
import type { Clock } from '../../common/clock.ts';
import { makeDeferred } from '../../common/deferred.ts';
import { GristmillError } from '../../common/errors.ts';
import { type RunId, taskIdOfRun } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import type { Bus } from '../../common/queue/bus.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { TrainFigures, TrainProgram, TrainResult } from '../../common/stage/train.ts';
import { append } from '../../common/store/journal.ts';
import type { Store } from '../../common/store/store.ts';
import { readStored, readStoredHead } from '../../common/stored/stored.ts';
import type { Heartbeat, RunStatus } from '../../common/wire/event.ts';
import type { Checkpoint } from '../../common/wire/round.ts';
import { commitKey, type Descriptor } from '../../common/wire/task.ts';
import type { TrainingView } from '../../common/wire/view.ts';
import type { Stand, Standing } from '../dispatch/waiting.ts';
import { Members, type MembersAction, type MembersEvent } from './members.ts';

/** Where heartbeats come from: the coordinator's registry of workers. */
export type HeartbeatSource = {
  live(): readonly Heartbeat[];
  onHeartbeat(handler: (heartbeat: Heartbeat) => void): () => void;
};

export type TrainingProgress = {
  readonly view: TrainingView;
  /** Training rows taken so far, over all epochs. */
  readonly rows: number;
  readonly cpuSeconds: number;
};

export type TrainingOptions = {
  readonly program: TrainProgram;
  readonly digest: RunId;
  readonly numerics: string;
  readonly queue: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly workers: HeartbeatSource;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly onProgress: (progress: TrainingProgress) => void;
  /** Each epoch as it ends, from 1, once a call; a run that is taken up tells them from the first. */
  readonly onEpoch: (epoch: number, figures: EpochFigures) => Promise<void>;
  readonly stand?: Stand | undefined;
};

export type EpochFigures = TrainFigures['epochs'][number];

/** Returns at once where the result exists. Throws the run's error, or CANCELLED when the signal aborts. */
export async function runTraining(options: TrainingOptions): Promise<Descriptor<TrainResult>> {
  const found = await readResult(options);
  if (found) {
    await tellEpochs(options, 0, found.result.epochs);
    return found;
  }
  const shell = new TrainingShell(options, await openMembers(options));
  const stop = options.workers.onHeartbeat((heartbeat) => shell.onHeartbeat(heartbeat));
  const leave = options.stand?.(() => shell.standing());
  try {
    return await shell.run();
  } finally {
    stop();
    leave?.();
    repeatEnded(options, shell.members).catch(() => {}); // the queue was closed: nobody listens
  }
}

const readResult = ({
  store,
  digest,
}: TrainingOptions): Promise<Descriptor<TrainResult> | undefined> =>
  readStored(store, commitKey('train', taskIdOfRun(digest), 1), 'trained');

const generationsOf = (run: RunId): string => `checkpoints/${run}/generations`;

/** A coordinator before this one may have left generations: their head goes on. */
async function openMembers(options: TrainingOptions): Promise<Members> {
  const { store, digest, program, numerics, clock } = options;
  return new Members({
    run: digest,
    numerics,
    lanes: program.lanes,
    recorded: (await readStoredHead(store, generationsOf(digest), 'generation'))?.value,
    checkpoint: (await newestCheckpoint(store, digest))?.checkpoint,
    nowMs: clock.monotonicMs(),
  });
}

async function tellEpochs(
  { onEpoch }: TrainingOptions,
  told: number,
  epochs: readonly EpochFigures[],
): Promise<number> {
  for (let i = told; i < epochs.length; i++) await onEpoch(i + 1, epochs[i]!);
  return Math.max(told, epochs.length);
}

/** checkpoints/<run>/<round>.json says which bytes <round>.bin must have. */
export async function newestCheckpoint(
  store: Store,
  run: RunId,
): Promise<
  { readonly checkpoint: Checkpoint; readonly epochs: readonly EpochFigures[] } | undefined
> {
  const names = await store.listNames(`checkpoints/${run}/`);
  const rounds = names.flatMap((name) => name.match(/^(\d+)\.json$/)?.[1] ?? []).map(Number);
  if (rounds.length === 0) return undefined;
  const round = rounds.reduce((a, b) => Math.max(a, b));
  const stored = await readStored(store, `checkpoints/${run}/${round}.json`, 'checkpoint');
  if (!stored) return undefined;
  return { checkpoint: { round, blob: stored.blob }, epochs: stored.epochs ?? [] };
}

class TrainingShell {
  readonly members: Members;
  readonly #options: TrainingOptions;
  readonly #statuses = new Map<string, RunStatus>();
  /** What members decided is done one after the other. */
  #pending: Promise<void> = Promise.resolve();
  #failure: unknown;
  #ticks = 0;
  /** Epochs that were told. */
  #told = 0;
  #pace: { readonly rows: number; readonly atMs: number } | undefined;
  /** Settled when a worker says for the first time that it is done. */
  #done = makeDeferred<void>();

  constructor(options: TrainingOptions, members: Members) {
    this.#options = options;
    this.members = members;
    for (const heartbeat of options.workers.live()) this.onHeartbeat(heartbeat);
  }

  async run(): Promise<Descriptor<TrainResult>> {
    const { clock, signal } = this.#options;
    for (; ; await this.#rest()) {
      if (signal.aborted) throw cancelled(this.#options.digest);
      await this.#pending;
      if (this.#failure) throw this.#failure;
      const result = await this.#lookForResult();
      if (result) {
        await this.#tell(result.result.epochs);
        return result;
      }
      await this.#refreshCheckpoint();
      this.#take({ kind: 'tick', nowMs: clock.monotonicMs() });
      this.#report();
    }
  }

  /** Until the next look: at once where a worker turned done. */
  async #rest(): Promise<void> {
    const { clock, signal } = this.#options;
    await Promise.race([clock.sleep(LIMITS.heartbeatMs, signal), this.#done.promise]);
    this.#done = makeDeferred();
  }

  standing(): Standing {
    const { digest: run, numerics } = this.#options;
    return { kind: 'run', run, numerics, owners: [...new Set(this.members.laneOwner)] };
  }

  onHeartbeat(heartbeat: Heartbeat): void {
    const status = heartbeat.runs.find((each) => each.run === this.#options.digest);
    if (status) this.#onStatus(heartbeat.worker, status);
    this.#take({ kind: 'beat', heartbeat, nowMs: this.#options.clock.monotonicMs() });
  }

  #onStatus(worker: string, status: RunStatus): void {
    if (status.phase === 'done' && this.#statuses.get(worker)?.phase !== 'done')
      this.#done.resolve();
    this.#statuses.set(worker, status);
  }

  #take(event: MembersEvent): void {
    for (const action of this.members.on(event)) this.#enqueue(action);
  }

  #enqueue(action: MembersAction): void {
    this.#pending = this.#pending
      .then(() => this.#perform(action))
      .catch((error: unknown) => {
        this.#failure ??= error;
      });
  }

  async #perform(action: MembersAction): Promise<void> {
    const { store, digest, queue } = this.#options;
    switch (action.kind) {
      case 'publish':
        queue.publish(CHANNELS.runs, action.view);
        break;
      case 'record':
        await append(store, generationsOf(digest), action.record.generation, action.record);
        await this.#readHead();
        break;
      case 'read':
        await this.#readHead();
        break;
      case 'fail':
        throw new GristmillError(action.code, action.message);
    }
  }

  /** Whoever won the number: what stands in the journal holds. */
  async #readHead(): Promise<void> {
    const { store, digest, clock, log } = this.#options;
    const known = this.members.generation;
    const head = await readStoredHead(store, generationsOf(digest), 'generation', known);
    if (!head) return;
    log.info('training generation', { run: digest, generation: head.n });
    this.#take({ kind: 'recorded', record: head.value, nowMs: clock.monotonicMs() });
  }

  /** Often once somebody is done; else now and then, for what another coordinator's workers did. */
  async #lookForResult(): Promise<Descriptor<TrainResult> | undefined> {
    const isDone = [...this.#statuses.values()].some(({ phase }) => phase === 'done');
    return isDone || this.#ticks++ % LOOK_TICKS === 0 ? readResult(this.#options) : undefined;
  }

  /** Now and then, and once somebody has gone past the end of an epoch that was not told. */
  async #refreshCheckpoint(): Promise<void> {
    const { store, digest, program } = this.#options;
    const ended = scheduleOf(program).epochsBefore(this.#foremost()?.round ?? 0);
    if (this.#ticks % LOOK_TICKS !== 0 && ended <= this.#told) return;
    const newest = await newestCheckpoint(store, digest);
    if (!newest) return;
    this.#take({ kind: 'checkpoint', checkpoint: newest.checkpoint });
    await this.#tell(newest.epochs);
  }

  async #tell(epochs: readonly EpochFigures[]): Promise<void> {
    this.#told = await tellEpochs(this.#options, this.#told, epochs);
  }

  /** The status of who is furthest. */
  #foremost(): RunStatus | undefined {
    return [...this.#statuses.values()].reduce<RunStatus | undefined>(
      (a, b) => (a && a.round >= b.round ? a : b),
      undefined,
    );
  }

  #report(): void {
    const { program, clock } = this.#options;
    const schedule = scheduleOf(program);
    const statuses = [...this.#statuses.values()];
    const first = this.#foremost();
    const round = first?.round ?? 0;
    const rows = schedule.rowsBefore(round);
    const owners = [...new Set(this.members.laneOwner)];
    const live = new Set(this.#options.workers.live().map(({ worker }) => worker));
    const nowMs = clock.monotonicMs();
    const seconds = this.#pace ? (nowMs - this.#pace.atMs) / 1000 : 0;
    const rowsPerSecond = this.#pace && seconds > 0 ? (rows - this.#pace.rows) / seconds : null;
    this.#pace = { rows, atMs: nowMs };
    this.#options.onProgress({
      view: {
        round,
        rounds: schedule.rounds,
        loss: first && first.round > 0 ? first.loss : null,
        rowsPerSecond: rowsPerSecond === null ? null : Math.max(0, rowsPerSecond),
        workers: owners.filter((worker) => live.has(worker)).length,
        generation: this.members.generation,
      },
      rows,
      cpuSeconds: statuses.reduce((sum, status) => sum + (status.cpuSeconds ?? 0), 0),
    });
  }
}

const cancelled = (run: RunId): GristmillError =>
  new GristmillError('CANCELLED', `Training ${run} was cancelled`);

/** Ticks between looks into the store for what nobody announced. */
const LOOK_TICKS = 5;
/** `ended` may be lost on the way; a worker that hears none of these lets go after LIMITS.runSilentMs. */
const ENDED_REPEATS = 3;

async function repeatEnded(options: TrainingOptions, members: Members): Promise<void> {
  const view = members.view(true);
  for (let n = 0; n < ENDED_REPEATS; n++) {
    options.queue.publish(CHANNELS.runs, view);
    await options.clock.sleep(LIMITS.heartbeatMs);
  }
}
