// Who takes part in a training run, and who owns which lanes.
// In: heartbeats, ticks, what the generation journal answered. Out: views to publish, generations to record.
// Why no I/O: the same code runs over NATS and in the simulation with its thousands of seeds.
// Flow: job → snapshot → plan → prepare → fit → [train] → evaluate → prove → publish → gate → predictions
//
//   heartbeat of a new worker ─▶ joining: it loads the rows of the lanes it shall own, others go on
//   all of them loaded        ─▶ generation+1 is recorded, then published: the lanes are its
//   silent, draining, failed  ─▶ generation+1: its lanes go to the others
import { dealLanes, lanesOf, type Taker } from '../../common/algorithm/deal.ts';
import { CODES, type Code } from '../../common/errors.ts';
import type { RunId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Heartbeat, RunStatus } from '../../common/wire/event.ts';
import type { Checkpoint, RunView } from '../../common/wire/round.ts';

/** checkpoints/<run>/generations/<n>.json: created, so that no two coordinators own one number. */
export type Generation = {
  readonly formatVersion: 1;
  readonly generation: number;
  readonly laneOwner: readonly WorkerId[];
};

export type MembersSetup = {
  readonly run: RunId;
  readonly numerics: string;
  readonly lanes: number;
  /** The head of the generation journal, where a coordinator before this one left one. */
  readonly recorded: Generation | undefined;
  readonly checkpoint: Checkpoint | undefined;
  readonly nowMs: number;
};

export type MembersEvent =
  | { readonly kind: 'beat'; readonly heartbeat: Heartbeat; readonly nowMs: number }
  | { readonly kind: 'tick'; readonly nowMs: number }
  /** The number asked for is ours, or somebody else's: this is what stands in the journal. */
  | { readonly kind: 'recorded'; readonly record: Generation; readonly nowMs: number }
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint };

export type MembersAction =
  /** Create this number in the journal, and answer with `recorded` what stands there then. */
  | { readonly kind: 'record'; readonly record: Generation }
  | { readonly kind: 'publish'; readonly view: RunView }
  /** A worker speaks of a generation that we do not know: read the journal's head. */
  | { readonly kind: 'read' }
  | { readonly kind: 'fail'; readonly code: Code; readonly message: string };

type Seen = { readonly heartbeat: Heartbeat; readonly seenMs: number };

export class Members {
  readonly #setup: MembersSetup;
  readonly #seen = new Map<WorkerId, Seen>();
  #record: Generation;
  #checkpoint: Checkpoint | undefined;
  /** True between `record` and `recorded`: nothing else is decided meanwhile. */
  #recording = false;
  #joining: ReadonlyMap<WorkerId, readonly number[]> = new Map();
  /** Since when some joiner could begin while nobody owns the run. */
  #readySinceMs: number | undefined;
  readonly #startedMs: number;

  constructor(setup: MembersSetup) {
    this.#setup = setup;
    this.#record = setup.recorded ?? { formatVersion: 1, generation: 0, laneOwner: [] };
    this.#checkpoint = setup.checkpoint;
    this.#startedMs = setup.nowMs;
  }

  get generation(): number {
    return this.#record.generation;
  }
  get laneOwner(): readonly WorkerId[] {
    return this.#record.laneOwner;
  }

  view(ended = false): RunView {
    return {
      run: this.#setup.run,
      numerics: this.#setup.numerics,
      generation: this.#record.generation,
      laneOwner: this.#record.laneOwner,
      joining: [...this.#joining].map(([worker, lanes]) => ({ worker, lanes })),
      checkpoint: this.#checkpoint,
      ended,
    };
  }

  on(event: MembersEvent): MembersAction[] {
    switch (event.kind) {
      case 'beat': {
        this.#seen.set(event.heartbeat.worker, {
          heartbeat: event.heartbeat,
          seenMs: event.nowMs,
        });
        const ahead = (this.#statusOf(event.heartbeat.worker)?.generation ?? 0) > this.generation;
        if (ahead && !this.#recording) return [{ kind: 'read' }];
        const before = this.#joining;
        const actions = this.#decide(event.nowMs);
        // who is new begins to load at once, not with the next tick
        if (isSameJoining(before, this.#joining)) return actions;
        return [...actions, { kind: 'publish', view: this.view() }];
      }
      case 'tick':
        return [...this.#decide(event.nowMs), { kind: 'publish', view: this.view() }];
      case 'recorded':
        this.#recording = false;
        if (event.record.generation <= this.generation) return [];
        this.#record = event.record;
        this.#joining = new Map();
        return [...this.#decide(event.nowMs), { kind: 'publish', view: this.view() }];
      case 'checkpoint':
        if (event.checkpoint.round > (this.#checkpoint?.round ?? -1)) {
          this.#checkpoint = event.checkpoint;
        }
        return [];
    }
  }

  #decide(nowMs: number): MembersAction[] {
    if (this.#recording) return [];
    const failure = this.#failure(nowMs);
    if (failure) return [failure];
    const able = this.#able(nowMs);
    const owners = [...new Set(this.laneOwner)];
    const present = owners.filter((owner) => this.#isPresent(owner, able, nowMs));
    const joiners = able.filter((of) => !owners.includes(of.id));
    this.#joining = this.#joiningOf(joiners, present);
    const ready = joiners.filter((of) => this.#hasLoaded(of.id));
    if (present.length === 0) return this.#begin(ready, nowMs);
    if (present.length < owners.length) return this.#replaceLost(present, ready);
    return this.#takeIn(ready);
  }

  /** A run that nobody owns waits for all that join, but not for ever for one that does not get ready. */
  #begin(ready: readonly Taker<WorkerId>[], nowMs: number): MembersAction[] {
    if (ready.length === 0) {
      this.#readySinceMs = undefined;
      return [];
    }
    this.#readySinceMs ??= nowMs;
    const all = ready.length === this.#joining.size;
    if (!all && nowMs - this.#readySinceMs < LIMITS.joinPatienceMs) return [];
    return this.#next(this.#dealTo(ready, this.#overlay([], ready)));
  }

  /** Lanes of owners that are gone: to those who stay and those who are ready. */
  #replaceLost(present: readonly WorkerId[], ready: readonly Taker<WorkerId>[]): MembersAction[] {
    const able = [...present.map((worker) => this.#dealt(worker)), ...ready];
    return this.#next(this.#dealTo(able, this.#overlay(this.laneOwner, ready)));
  }

  #takeIn(ready: readonly Taker<WorkerId>[]): MembersAction[] {
    if (ready.length === 0) return [];
    return this.#next(this.#overlay(this.laneOwner, ready) as WorkerId[]);
  }

  /** Ownership in which those who are ready own exactly the lanes that they have loaded for it. */
  #overlay(
    laneOwner: readonly WorkerId[],
    ready: readonly Taker<WorkerId>[],
  ): readonly (WorkerId | undefined)[] {
    const next = Array.from({ length: this.#setup.lanes }, (_, lane) => laneOwner[lane]);
    for (const { id: worker } of ready) {
      for (const lane of this.#joining.get(worker) ?? []) next[lane] = worker;
    }
    return next;
  }

  #dealTo(
    takers: readonly Taker<WorkerId>[],
    previous: readonly (WorkerId | undefined)[],
  ): WorkerId[] {
    const { lanes } = this.#setup;
    const dealt = [...new Array(lanes).keys()];
    return dealLanes({ lanes, dealt, takers, previous }) as WorkerId[]; // every lane is dealt
  }

  #next(laneOwner: readonly WorkerId[]): MembersAction[] {
    this.#recording = true;
    const record: Generation = { formatVersion: 1, generation: this.generation + 1, laneOwner };
    return [{ kind: 'record', record }];
  }

  #joiningOf(
    joiners: readonly Taker<WorkerId>[],
    present: readonly WorkerId[],
  ): ReadonlyMap<WorkerId, readonly number[]> {
    if (joiners.length === 0) return new Map();
    const staying = present.map((worker) => this.#dealt(worker));
    const previous = Array.from({ length: this.#setup.lanes }, (_, lane) => this.laneOwner[lane]);
    const target = this.#dealTo([...staying, ...joiners], previous);
    return new Map(
      joiners
        .map((of): [WorkerId, number[]] => [of.id, lanesOf(target, of.id)])
        .filter(([, lanes]) => lanes.length > 0),
    );
  }

  /** Workers that may own lanes: alive, of the numerics, staying, and not busy with another run. */
  #able(nowMs: number): Taker<WorkerId>[] {
    return [...this.#seen.values()]
      .filter((seen) => this.#isAble(seen, nowMs))
      .map(({ heartbeat }) => ({ id: heartbeat.worker, threads: heartbeat.threads }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  #isAble({ heartbeat, seenMs }: Seen, nowMs: number): boolean {
    return (
      nowMs - seenMs < LIMITS.heartbeatSilentMs &&
      heartbeat.numerics === this.#setup.numerics &&
      !heartbeat.draining &&
      heartbeat.runs.every((status) => status.run === this.#setup.run || isOver(status)) &&
      this.#statusOf(heartbeat.worker)?.phase !== 'failed'
    );
  }

  /** An owner not heard since this coordinator started has the time of one silence to be heard. */
  #isPresent(owner: WorkerId, able: readonly Taker<WorkerId>[], nowMs: number): boolean {
    if (able.some((of) => of.id === owner)) return true;
    return !this.#seen.has(owner) && nowMs - this.#startedMs < LIMITS.heartbeatSilentMs;
  }

  #hasLoaded(worker: WorkerId): boolean {
    const wanted = this.#joining.get(worker);
    const loaded = new Set(this.#statusOf(worker)?.lanesLoaded ?? []);
    return wanted?.every((lane) => loaded.has(lane)) ?? false;
  }

  #statusOf(worker: WorkerId): RunStatus | undefined {
    return this.#seen.get(worker)?.heartbeat.runs.find((status) => status.run === this.#setup.run);
  }

  #dealt(worker: WorkerId): Taker<WorkerId> {
    return { id: worker, threads: this.#seen.get(worker)?.heartbeat.threads ?? 1 };
  }

  /** A worker's bad luck (memory, a lost child) excludes it; what would fail everywhere ends the run. */
  #failure(nowMs: number): MembersAction | undefined {
    const alive = [...this.#seen.values()].filter(
      ({ heartbeat, seenMs }) =>
        nowMs - seenMs < LIMITS.heartbeatSilentMs && heartbeat.numerics === this.#setup.numerics,
    );
    const errors = alive.flatMap(({ heartbeat }) => {
      const status = this.#statusOf(heartbeat.worker);
      return status?.phase === 'failed' && status.error ? [status.error] : [];
    });
    const final = errors.find((error) => !CODES[error.code as Code]?.retry);
    const error = final ?? (errors.length > 0 && errors.length === alive.length ? errors[0] : null);
    if (!error) return undefined;
    return { kind: 'fail', code: error.code as Code, message: error.message };
  }
}

const isOver = (status: RunStatus): boolean => status.phase === 'done' || status.phase === 'failed';

function isSameJoining(
  a: ReadonlyMap<WorkerId, readonly number[]>,
  b: ReadonlyMap<WorkerId, readonly number[]>,
): boolean {
  const text = (of: typeof a): string => JSON.stringify([...of]);
  return text(a) === text(b);
}
