// A training run in virtual time: the real Members and Round over a network that loses, reorders and repeats.
// In: a seed, perhaps a broken Round. Out: nothing, or an error that tells which invariant broke.
// Invariants: every root is the sum along the fixed tree with every lane once; every state is the one that
// a single worker would have; generations never go back; after the faults the run ends.

import { coverOf, laneNode } from '../../common/algorithm/tree.ts';
import type { RunId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Heartbeat, RunStatus } from '../../common/wire/event.ts';
import type { Checkpoint, RunView } from '../../common/wire/round.ts';
import { type Generation, Members, type MembersAction } from '../../coordinator/rounds/members.ts';
import {
  type Algebra,
  type Message,
  Round,
  type RoundAction,
  type RoundEvent,
  type RoundSetup,
} from '../../worker/rounds/round.ts';
import { mix, World } from './world.ts';

export type RoundMaker = (setup: RoundSetup, algebra: Algebra<number>) => Round<number>;
/** What somebody who can write on the bus says in the name of a member. */
export type Forger = (truth: {
  readonly from: WorkerId;
  readonly generation: number;
  readonly round: number;
  readonly rounds: number;
  readonly lanes: number;
  /** The state before `round` as every honest member has it. */
  readonly state: number;
}) => Message<number>;

export type SimOptions = {
  readonly seed: number;
  readonly makeRound?: RoundMaker;
  readonly forge?: Forger;
};
export type SimOutcome = { readonly generations: number; readonly messages: number };

const RUN = 'run' as RunId;
const SEED_STATE = 12345;
const END_MS = 1_200_000;

export function simulateRun(options: SimOptions): SimOutcome {
  const sim = new Simulation(options);
  return sim.run();
}

class Simulation {
  readonly world: World;
  readonly lanes: number;
  readonly rounds: number;
  readonly loss: number;
  readonly keepEvery: number;
  readonly computeMs: number;
  readonly options: SimOptions;
  /** What one worker alone would compute: the state before each round, and each round's root. */
  readonly states: readonly number[];
  readonly roots: readonly number[];
  readonly journal = new Map<number, Generation>();
  readonly checkpoints = new Map<number, number>();
  readonly coordinators = new Set<SimCoordinator>();
  readonly workers = new Set<SimWorker>();
  committed: number | undefined;
  faultsEndMs = 0;
  messages = 0;
  #workersMade = 0;

  constructor(options: SimOptions) {
    this.options = options;
    this.world = new World(options.seed);
    const { world } = this;
    this.lanes = world.pick([1, 2, 4, 8, 16]);
    this.rounds = world.between(3, 60);
    this.loss = world.pick([0, 0.01, 0.05, 0.2]);
    this.keepEvery = world.pick([2, 5, 100]);
    this.computeMs = world.pick([20, 500, 3000]);
    const states = [SEED_STATE];
    const roots: number[] = [];
    for (let round = 0; round < this.rounds; round++) {
      roots.push(this.nodeSum(states[round]!, round, 1));
      states.push(mix(states[round]!, roots[round]!));
    }
    this.states = states;
    this.roots = roots;
  }

  run(): SimOutcome {
    const { world } = this;
    this.faultsEndMs = world.between(0, 90_000);
    for (let n = world.between(1, 6); n > 0; n--)
      world.after(world.between(0, 4000), () => this.addWorker());
    this.addCoordinator();
    for (let at = 0; at < this.faultsEndMs; at += world.between(100, 8_000)) {
      world.after(at, () => this.fault());
    }
    world.after(this.faultsEndMs, () => this.heal());
    if (this.options.forge) this.#forge(this.options.forge);
    if (!world.runUntil(() => this.committed !== undefined, END_MS)) {
      throw new Error(`The run does not end: ${this.describe()}`);
    }
    return { generations: this.journal.size, messages: this.messages };
  }

  nodeSum(state: number, round: number, node: number): number {
    if (node >= this.lanes) return mix(mix(state, round), node);
    return mix(this.nodeSum(state, round, 2 * node), this.nodeSum(state, round, 2 * node + 1));
  }

  addWorker(): void {
    const number = this.#workersMade++;
    const id = `w-${this.world.between(0, 1000)}-${number}` as WorkerId;
    this.workers.add(new SimWorker(this, id, this.world.pick([1, 1, 2, 4])));
  }
  addCoordinator(): void {
    this.coordinators.add(new SimCoordinator(this));
  }

  fault(): void {
    const { world } = this;
    const worker = this.workers.size > 0 ? world.pick([...this.workers]) : undefined;
    switch (world.between(0, 8)) {
      case 0:
        worker?.kill();
        world.after(world.between(0, 8000), () => this.addWorker());
        break;
      case 1:
        worker?.loseChild();
        break;
      case 2:
        worker?.pause(world.between(100, 15_000));
        break;
      case 3: {
        for (const coordinator of this.coordinators) coordinator.kill();
        world.after(world.between(0, 12_000), () => this.addCoordinator());
        break;
      }
      case 4:
        if (this.coordinators.size < 2) this.addCoordinator();
        break;
      case 5:
        if (!world.chance(0.3)) break;
        for (const each of [...this.workers]) each.kill();
        world.after(world.between(0, 15_000), () => this.addWorker());
        world.after(world.between(0, 15_000), () => this.addWorker());
        break;
      case 6:
        if (this.workers.size < 6) this.addWorker();
        break;
      case 7:
        if (worker) worker.draining = true;
        if (worker) world.after(world.between(1000, 9000), () => worker.kill());
        world.after(world.between(0, 3000), () => this.addWorker());
        break;
    }
  }

  /** From now on nothing fails but messages, and somebody is there to do the work. */
  heal(): void {
    const coordinators = [...this.coordinators];
    for (const extra of coordinators.slice(1)) extra.kill();
    if (coordinators.length === 0) this.addCoordinator();
    if (![...this.workers].some((worker) => !worker.draining)) this.addWorker();
  }

  /** One copy to each, late, twice or never. */
  deliver(handle: () => void): void {
    this.messages++;
    const { world } = this;
    if (world.chance(this.loss)) return;
    world.after(world.chance(0.05) ? world.between(0, 3000) : world.between(0, 20), handle);
    if (world.chance(0.03)) world.after(world.between(0, 6000), handle);
  }

  /** A message every now and then, to one worker, in the name of another member of its generation. */
  #forge(forge: Forger): void {
    const { world, lanes, rounds } = this;
    world.after(world.between(20, 500), () => this.#forge(forge));
    const victim = this.workers.size > 0 ? world.pick([...this.workers]) : undefined;
    const { generation, round } = victim?.round ?? { generation: 0, round: 0 };
    const members = this.journal.get(generation)?.laneOwner.filter((id) => id !== victim?.id);
    if (!victim || !members || members.length === 0) return;
    const state = this.states[round]!;
    victim.onMessage(
      forge({ from: world.pick([...members]), generation, round, rounds, lanes, state }),
    );
  }

  describe(): string {
    const workers = [...this.workers].map(
      (worker) =>
        `${worker.id} ${worker.round.mode} round ${worker.round.round} generation ${worker.round.generation}`,
    );
    const head = this.journal.get(this.journal.size);
    return `at ${this.world.nowMs} ms, ${workers.join('; ')}; lanes of ${head?.generation}: ${head?.laneOwner.join(' ')}`;
  }
}

class SimCoordinator {
  readonly #sim: Simulation;
  readonly #members: Members;
  #alive = true;

  constructor(sim: Simulation) {
    this.#sim = sim;
    this.#members = new Members({
      run: RUN,
      numerics: 'p',
      lanes: sim.lanes,
      recorded: sim.journal.get(sim.journal.size),
      checkpoint: this.#newest(),
      nowMs: sim.world.nowMs,
    });
    this.#tick();
  }

  kill(): void {
    this.#alive = false;
    this.#sim.coordinators.delete(this);
  }

  onBeat(heartbeat: Heartbeat): void {
    if (!this.#alive) return;
    this.#perform(this.#members.on({ kind: 'beat', heartbeat, nowMs: this.#sim.world.nowMs }));
  }

  #tick(): void {
    if (!this.#alive) return;
    const nowMs = this.#sim.world.nowMs;
    const checkpoint = this.#newest();
    if (checkpoint) this.#members.on({ kind: 'checkpoint', checkpoint });
    this.#perform(this.#members.on({ kind: 'tick', nowMs }));
    this.#sim.world.after(LIMITS.heartbeatMs, () => this.#tick());
  }

  #newest(): Checkpoint | undefined {
    const round = Math.max(-1, ...this.#sim.checkpoints.keys());
    return round < 0 ? undefined : checkpointOf(round);
  }

  #perform(actions: readonly MembersAction[]): void {
    const { world } = this.#sim;
    for (const action of actions) {
      switch (action.kind) {
        case 'record':
          world.after(world.between(1, 200), () => this.#record(action.record));
          break;
        case 'read':
          world.after(world.between(1, 200), () => this.#answer(this.#sim.journal.size));
          break;
        case 'publish':
          for (const worker of this.#sim.workers) {
            this.#sim.deliver(() => worker.onView(action.view));
          }
          break;
        case 'fail':
          throw new Error(`The run failed: ${action.code} ${action.message}`);
      }
    }
  }

  #record(record: Generation): void {
    if (!this.#alive) return;
    const { journal } = this.#sim;
    if (!journal.has(record.generation)) {
      if (record.generation > journal.size + 1) throw new Error('A generation was skipped');
      journal.set(record.generation, record);
    }
    if (this.#sim.world.chance(0.02)) this.#die(); // before it knew
    this.#answer(journal.size);
  }

  #die(): void {
    this.kill();
    this.#sim.world.after(1000, () => this.#sim.addCoordinator());
  }

  #answer(n: number): void {
    const record = this.#sim.journal.get(n);
    if (!this.#alive || !record) return;
    const before = this.#members.generation;
    const nowMs = this.#sim.world.nowMs;
    this.#perform(this.#members.on({ kind: 'recorded', record, nowMs }));
    if (this.#members.generation < before) throw new Error('A generation went back');
  }
}

class SimWorker {
  readonly id: WorkerId;
  readonly #sim: Simulation;
  readonly #threads: number;
  draining = false;
  round: Round<number>;
  #alive = true;
  /** Grows when the child is lost: what it had under way never arrives. */
  #child = 0;
  #pausedUntilMs = 0;
  #state: number | undefined;
  #stateRound = -1;
  #loaded = new Set<number>();
  #generation = 0;
  #loadCount = 0;
  #joining: readonly number[] = [];

  constructor(sim: Simulation, id: WorkerId, threads: number) {
    this.#sim = sim;
    this.id = id;
    this.#threads = threads;
    this.round = this.#makeRound();
    this.#beat();
    this.#tick();
  }

  kill(): void {
    this.#alive = false;
    this.#child++;
    this.#sim.workers.delete(this);
  }
  pause(ms: number): void {
    this.#pausedUntilMs = this.#sim.world.nowMs + ms;
  }
  loseChild(): void {
    this.#child++;
    this.#loaded = new Set();
    this.#joining = [];
    this.#state = undefined;
    this.round = this.#makeRound();
  }

  onView(view: RunView): void {
    this.#whenAwake(() => {
      if (view.generation < this.#generation) return;
      this.#generation = view.generation;
      this.#joining = view.joining.find((each) => each.worker === this.id)?.lanes ?? [];
      const missing = this.#joining.filter((lane) => !this.#loaded.has(lane));
      if (missing.length > 0) this.#later(100, 3000, () => this.#markLoaded(missing));
      this.#on({ kind: 'view', view, nowMs: this.#sim.world.nowMs });
    });
  }

  onMessage(message: Message<number>): void {
    this.#whenAwake(() => this.#on({ kind: 'message', message, nowMs: this.#sim.world.nowMs }));
  }

  #makeRound(): Round<number> {
    const make: RoundMaker =
      this.#sim.options.makeRound ?? ((setup, algebra) => new Round(setup, algebra));
    const isKept = (round: number): boolean =>
      round % this.#sim.keepEvery === 0 || round === this.#sim.rounds;
    return make(
      { worker: this.id, rounds: this.#sim.rounds, helloMs: LIMITS.helloMs, isKept },
      {
        merge: (_node, left, right) => mix(left, right),
        step: (round, sum) => this.#step(round, sum),
        digest: () => this.#state ?? 0,
      },
    );
  }

  #step(round: number, sum: number): void {
    if (round !== this.#stateRound) {
      throw new Error(`${this.id} steps round ${round} with the state before ${this.#stateRound}`);
    }
    if (sum !== this.#sim.roots[round]) {
      throw new Error(`${this.id} has another sum of round ${round} than the tree gives`);
    }
    this.#state = mix(this.#state!, sum);
    this.#stateRound++;
  }

  #on(event: RoundEvent<number>): void {
    const before = this.round.generation;
    const actions = this.round.on(event);
    if (this.round.generation < before) throw new Error(`${this.id} went back a generation`);
    for (const action of actions) this.#perform(action);
  }

  #perform(action: RoundAction<number>): void {
    switch (action.kind) {
      case 'compute':
        this.#compute(action);
        break;
      case 'send':
        for (const worker of this.#sim.workers) {
          if (worker !== this) this.#sim.deliver(() => worker.onMessage(action.message));
        }
        break;
      case 'save': {
        if (action.round !== this.#stateRound) throw new Error(`${this.id} saves another round`);
        const state = this.#state!;
        this.#later(5, 300, () => this.#saved(action.round, state));
        break;
      }
      case 'load':
        this.#load(action.checkpoint, ++this.#loadCount);
        break;
      case 'finish':
        this.#finish(this.#state);
        break;
      case 'release':
        this.#loadCount++;
        this.#state = undefined;
        break;
    }
  }

  #finish(state: number | undefined): void {
    if (state !== this.#sim.states[this.#sim.rounds]) throw new Error(`${this.id}: wrong result`);
    this.#later(5, 100, () => {
      this.#sim.committed = state;
    });
  }

  #compute(action: Extract<RoundAction<number>, { kind: 'compute' }>): void {
    const { world, lanes, computeMs } = this.#sim;
    const state = this.#state!;
    const missing = action.lanes.some((lane) => !this.#loaded.has(lane));
    const ms = world.between(1, computeMs) + (missing ? world.between(100, 3000) : 0);
    this.#later(ms, ms + 1, () => {
      for (const lane of action.lanes) this.#loaded.add(lane);
      const share = (index: number): number[] =>
        action.lanes.filter((_, at) => at % this.#threads === index);
      const nodes = [...new Array(this.#threads).keys()].flatMap((thread) =>
        world.chance(0.5)
          ? coverOf(share(thread), lanes)
          : share(thread).map((lane) => laneNode(lane, lanes)),
      );
      const sums = nodes.map(
        (node) => [node, this.#sim.nodeSum(state, action.round, node)] as const,
      );
      this.#on({ kind: 'computed', attempt: action.attempt, sums, nowMs: world.nowMs });
    });
  }

  #saved(round: number, state: number): void {
    const { checkpoints, world } = this.#sim;
    if (!checkpoints.has(round)) checkpoints.set(round, state);
    if (checkpoints.get(round) !== state) throw new Error(`Two states before round ${round}`);
    this.#on({ kind: 'saved', checkpoint: checkpointOf(round), nowMs: world.nowMs });
  }

  #load(checkpoint: Checkpoint | undefined, count: number): void {
    this.#later(5, 500, () => {
      if (count !== this.#loadCount) return;
      const { world, checkpoints } = this.#sim;
      const round = checkpoint?.round ?? 0;
      const fails = checkpoint !== undefined && world.chance(0.05);
      if (!fails) {
        this.#state = checkpoint ? checkpoints.get(round)! : SEED_STATE;
        this.#stateRound = round;
      }
      this.#on({ kind: 'loaded', round: fails ? undefined : round, nowMs: world.nowMs });
    });
  }

  #markLoaded(lanes: readonly number[]): void {
    for (const lane of lanes) this.#loaded.add(lane);
  }

  #tick(): void {
    if (!this.#alive) return;
    this.#whenAwake(() => this.#on({ kind: 'tick', nowMs: this.#sim.world.nowMs }));
    this.#sim.world.after(100, () => this.#tick());
  }

  #beat(): void {
    if (!this.#alive) return;
    this.#whenAwake(() => {
      const heartbeat = this.#heartbeat();
      for (const coordinator of this.#sim.coordinators) {
        this.#sim.deliver(() => coordinator.onBeat(heartbeat));
      }
    });
    this.#sim.world.after(LIMITS.heartbeatMs, () => this.#beat());
  }

  #heartbeat(): Heartbeat {
    const status: RunStatus = {
      run: RUN,
      generation: this.round.generation,
      round: this.round.round,
      lanesLoaded: [...this.#loaded],
      phase: this.round.mode === 'done' ? 'done' : 'running',
      rows: 0,
      loss: 0,
    };
    return {
      worker: this.id,
      host: 'sim',
      pid: 1,
      numerics: 'p',
      device: 'cpu',
      threads: this.#threads,
      threadsFree: this.#threads,
      memoryBytes: 1,
      tasks: [],
      runs: [status],
      draining: this.draining,
      startedAt: 0,
    };
  }

  /** Something that this child has under way. */
  #later(low: number, high: number, run: () => void): void {
    const child = this.#child;
    this.#sim.world.after(this.#sim.world.between(low, high), () =>
      this.#whenAwake(() => {
        if (child === this.#child) run();
      }),
    );
  }

  /** A stopped process finds everything waiting when it goes on. */
  #whenAwake(run: () => void): void {
    if (!this.#alive) return;
    const restMs = this.#pausedUntilMs - this.#sim.world.nowMs;
    if (restMs > 0) this.#sim.world.after(restMs, () => this.#whenAwake(run));
    else run();
  }
}

const checkpointOf = (round: number): Checkpoint => ({
  round,
  blob: { key: `checkpoints/${RUN}/${round}.bin`, sha256: RUN, bytes: 1 },
});
