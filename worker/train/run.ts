// One run at one worker, in the supervisor: gets the child going, and does its I/O.
// In: views, posts of the child. Out: parts on disk, checkpoints and the result in the store, messages on the bus.
// Why apart from host.ts: that one decides which run, this one carries it out.
//
//   program, parts ─▶ post `train` ─▶ views and messages ⇄ sums ─▶ save … ─▶ finish: the commit
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Child } from '../../common/child/host.ts';
import type { Clock } from '../../common/clock.ts';
import { makeDeferred } from '../../common/deferred.ts';
import { GristmillError, toWireError, type WireError } from '../../common/errors.ts';
import { type RunId, sha256Hex, taskIdOfRun, type WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import type { Bus } from '../../common/queue/bus.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { TrainResult } from '../../common/stage/train.ts';
import { createJson, type Store } from '../../common/store/store.ts';
import { corruptOf, getVerified } from '../../common/store/verified.ts';
import { recordFailure } from '../../common/stored/failures.ts';
import { readStored } from '../../common/stored/stored.ts';
import type { RunStatus } from '../../common/wire/event.ts';
import type { Checkpoint, RunView } from '../../common/wire/round.ts';
import {
  type BlobRef,
  commitKey,
  type Descriptor,
  dataKey,
  programKey,
} from '../../common/wire/task.ts';
import type { ToHost, ToResident } from './messages.ts';
import { Parts } from './parts.ts';

export type TrainingHostOptions = {
  readonly worker: WorkerId;
  readonly queue: Bus;
  readonly store: Store;
  /** Started with `resident: new URL('./train/resident.ts', import.meta.url)`. */
  readonly child: Child;
  readonly clock: Clock;
  /** A folder of this process alone; parts are kept in it by sha256 while their run lives. */
  readonly scratch: string;
  readonly log: Log;
  readonly numerics: string;
};

export type HostedRunOptions = TrainingHostOptions & {
  readonly digest: RunId;
  /** The child may be asked to begin once this is settled. */
  readonly ready: Promise<void>;
  readonly onFailed: (status: RunStatus) => void;
  /** The status says what the coordinator waits for; it need not wait for the next heartbeat. */
  readonly onTurn: () => void;
};

export class HostedRun {
  readonly digest: RunId;
  readonly #options: HostedRunOptions;
  readonly #abort = new AbortController();
  readonly #startedMs: number;
  #unsubscribe: () => void = () => {};
  #begin: Extract<ToResident, { kind: 'train' }> | undefined;
  #parts: Parts | undefined;
  #isBegun = false;
  /** Counts the children: what one asked for is no answer for the next. */
  #child = 0;
  #view: RunView | undefined;
  #status: RunStatus;
  #losses = 0;
  #stopped: (() => void) | undefined;
  #bytesRead = 0;
  viewedMs: number;
  threads = 0;

  constructor(options: HostedRunOptions) {
    this.#options = options;
    this.digest = options.digest;
    this.#startedMs = options.clock.monotonicMs();
    this.viewedMs = this.#startedMs;
    this.#status = this.#initialStatus();
    this.#guard(() => this.#prepare());
  }

  status(): RunStatus {
    return this.#status;
  }

  onView(view: RunView): void {
    this.#view = view;
    this.viewedMs = this.#options.clock.monotonicMs();
    if (!this.#begin) return;
    if (!this.#isBegun) this.#isBegun = this.#post(this.#begin);
    this.#post({ kind: 'view', run: this.digest, view });
  }

  onPost(message: ToHost): void {
    if (message.run !== this.digest || !this.#isBegun) return;
    switch (message.kind) {
      case 'send':
        this.#say(message.bytes);
        break;
      case 'need':
        this.#guard(() => this.#bring(message.need, message.lanes));
        break;
      case 'save':
        this.#guard(() => this.#save(message));
        break;
      case 'load':
        this.#guard(() => this.#load(message.load, message.checkpoint));
        break;
      case 'finish':
        this.#guard(() => this.#commit(message));
        break;
      case 'status':
        this.#onStatus(message.status, message.threads);
        break;
      case 'failed':
        this.#fail(message.error);
        break;
      case 'stopped':
        this.#stopped?.();
        break;
    }
  }

  /** `done` is told once the result is committed: before that, nobody finds it. */
  #onStatus(status: RunStatus, threads: number): void {
    const before = this.#status;
    if (status.round > before.round) this.#losses = 0;
    this.#status = status;
    this.threads = threads;
    if (status.phase === 'ready' && before.phase !== 'ready') this.#options.onTurn();
  }

  /** The state is gone with the child: a new one joins like a worker that never had one. */
  onChildLost(error: GristmillError): void {
    if (!this.#isBegun) return;
    this.#stopped?.();
    this.#isBegun = false;
    this.#child += 1;
    this.threads = 0;
    if (this.#abort.signal.aborted) return;
    this.#losses += 1;
    this.#options.log.warn('training lost its child', { run: this.digest, losses: this.#losses });
    if (this.#losses >= LIMITS.trainLossesMax) this.#fail(toWireError(error));
    else this.#status = { ...this.#initialStatus(), generation: this.#status.generation };
  }

  /** Threads are given back before this settles; then the files go. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#unsubscribe();
    if (this.#isBegun) {
      const { promise, resolve } = makeDeferred<void>();
      this.#stopped = resolve;
      if (this.#post({ kind: 'stop', run: this.digest })) await promise;
    }
    await rm(this.#options.scratch, { recursive: true, force: true });
  }

  async #prepare(): Promise<void> {
    const { store, queue, worker, scratch, ready } = this.#options;
    await ready;
    const program = await this.#patiently(() =>
      readStored(store, programKey(this.digest), 'trainProgram'),
    );
    if (this.#abort.signal.aborted) return;
    if (!program) throw programMissing(this.digest);
    const parts = program.parts.filter(({ rows }) => rows > 0);
    const signal = this.#abort.signal;
    const { lanes } = program;
    this.#parts = new Parts({ store, parts, lanes, folder: join(scratch, 'parts'), signal });
    this.#begin = {
      kind: 'train',
      run: this.digest,
      worker,
      program: { ...program, parts },
      files: this.#parts.files,
      scratch,
    };
    this.#unsubscribe = queue.subscribe(CHANNELS.run(this.digest), ({ from, bytes }) => {
      if (!this.#isBegun || from === worker) return;
      this.#post({ kind: 'message', run: this.digest, bytes });
    });
    if (this.#view) this.onView(this.#view);
  }

  /** Lanes come and go; their rows stay on the disk while the run lives. */
  async #bring(need: number, lanes: readonly number[]): Promise<void> {
    const child = this.#child;
    this.#bytesRead += (await this.#patiently(() => this.#parts!.bring(lanes))) ?? 0;
    if (this.#abort.signal.aborted || child !== this.#child) return; // it asked for other lanes, or none yet
    this.#post({ kind: 'brought', run: this.digest, need });
  }

  /** checkpoints/<run>/<round>.bin, then the JSON beside it: which bytes it must have, and the epochs before it. */
  async #save({ round, epochs, bytes }: Extract<ToHost, { kind: 'save' }>): Promise<void> {
    const { store } = this.#options;
    const key = this.#checkpointKey(round);
    const checkpoint: Checkpoint = { round, blob: refOf(key, bytes) };
    await this.#patiently(async () => {
      await store.create(key, bytes);
      await createJson(store, `checkpoints/${this.digest}/${round}.json`, {
        formatVersion: 1,
        ...checkpoint,
        epochs,
      });
    });
    this.#post({ kind: 'saved', run: this.digest, checkpoint });
  }

  #checkpointKey(round: number): string {
    return `checkpoints/${this.digest}/${round}.bin`;
  }

  /** A checkpoint that cannot be read is told as such: the rounds find another way. */
  async #load(load: number, checkpoint: Checkpoint): Promise<void> {
    let bytes: Uint8Array | undefined;
    try {
      // the key is ours: a message says which bytes it must have, never what is read
      const blob = { ...checkpoint.blob, key: this.#checkpointKey(checkpoint.round) };
      bytes = await getVerified(this.#options.store, blob);
      this.#bytesRead += bytes.byteLength;
    } catch (error) {
      this.#options.log.warn('checkpoint unreadable', { run: this.digest, error });
    }
    this.#post({ kind: 'loaded', run: this.digest, load, bytes });
  }

  /** Create-only: whoever was first, the bytes are these. */
  async #commit(finish: Extract<ToHost, { kind: 'finish' }>): Promise<void> {
    const { store, worker, clock } = this.#options;
    const task = taskIdOfRun(this.digest);
    const checkpoint = refOf(
      dataKey('train', task, `${sha256Hex(finish.bytes)}.bin`),
      finish.bytes,
    );
    const result: TrainResult = { checkpoint, ...finish.figures };
    const descriptor: Descriptor<TrainResult> = {
      formatVersion: 1,
      task,
      stage: 'train',
      result,
      attempt: {
        worker,
        seconds: (clock.monotonicMs() - this.#startedMs) / 1000,
        cpuSeconds: finish.cpuSeconds,
        bytesRead: this.#bytesRead,
        bytesWritten: finish.bytes.byteLength,
      },
    };
    await this.#patiently(async () => {
      await store.create(checkpoint.key, finish.bytes);
      await createJson(store, commitKey('train', task, 1), descriptor);
    });
    this.#options.log.info('training committed', { run: this.digest, rounds: result.rounds });
    this.#options.onTurn();
  }

  /** A store that is away is waited for as long as the run lives: rounds and state are in the child. */
  async #patiently<T>(act: () => Promise<T>): Promise<T | undefined> {
    const { clock, log } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        return await act();
      } catch (error) {
        const { code } = toWireError(error);
        if (code !== 'STORE_UNAVAILABLE' && code !== 'STORE_FULL') throw error;
        log.warn('training waits for the store', { run: this.digest, error });
        await clock.sleep(LIMITS.reconcileMs, signal);
      }
    }
    return undefined;
  }

  #guard(act: () => Promise<void>): void {
    act().catch(async (error: unknown) => {
      await this.#recordCorrupt(error);
      if (!this.#abort.signal.aborted) this.#fail(toWireError(error));
    });
  }

  /** Before the failure is told: whoever hears of it finds what is corrupt. */
  async #recordCorrupt(error: unknown): Promise<void> {
    const corrupt = corruptOf(error);
    if (!corrupt) return;
    const { store, worker, clock, log } = this.#options;
    const task = taskIdOfRun(this.digest);
    await recordFailure(store, {
      formatVersion: 1,
      task,
      stage: 'train',
      worker,
      kind: 'corrupt',
      corrupt,
      error: toWireError(error),
      at: clock.now(),
    }).catch((cause: unknown) => {
      log.warn('failure not recorded', { run: this.digest, error: cause });
    });
  }

  #fail(error: WireError): void {
    const { code, message } = error;
    this.#options.log.warn('training failed here', { run: this.digest, code, why: message });
    this.#status = { ...this.#status, phase: 'failed', error: { code, message } };
    this.#options.onFailed(this.#status);
  }

  #say(bytes: Uint8Array): void {
    const { queue, worker } = this.#options;
    queue.publish(CHANNELS.run(this.digest), { from: worker, bytes });
  }

  #post(message: ToResident): boolean {
    return this.#options.child.post(message);
  }

  #initialStatus(): RunStatus {
    return {
      run: this.#options.digest,
      generation: 0,
      round: 0,
      lanesLoaded: [],
      phase: 'loading',
      rows: 0,
      loss: 0,
    };
  }
}

const programMissing = (run: RunId): GristmillError =>
  new GristmillError('INPUT_MISSING', `Cannot train ${run}: there is no ${programKey(run)}`);

const refOf = (key: string, bytes: Uint8Array): BlobRef => ({
  key,
  sha256: sha256Hex(bytes),
  bytes: bytes.byteLength,
});
