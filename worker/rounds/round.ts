// One worker's side of the rounds of a run: what it computes, tells the others and waits for.
// In: views, round messages, its own lanes' sums, ticks. Out: actions for the shell; the state steps round by round.
// Why no I/O and opaque sums: the code that trains is the code that the simulation runs with strings for sums.
//
//   outside ── a view gives it lanes ─▶ seeking ── loaded (seed, checkpoint) ─▶ computing ◀─────┐
//      ▲                                  ▲  needs a state            own sums known │          │
//      │ a view takes its lanes           └── two rounds behind ──────────────── gathering ── root known: step
//      └─ from any mode                                                                         └─▶ done (last round)
//
// Whatever is lost on the way is asked for again by `hello`; a sum is named by (round, node) and has the
// same bytes whoever computed it, so an answer too many is harmless.
import { isLeft, lanesUnder, parentOf, ROOT, siblingOf } from '../../common/algorithm/tree.ts';
import { GristmillError } from '../../common/errors.ts';
import type { WorkerId } from '../../common/ids.ts';
import type { Checkpoint, RoundMessage, RunView } from '../../common/wire/round.ts';

export type RoundSetup = {
  readonly worker: WorkerId;
  /** Rounds of the run: the state before round `rounds` is the result. */
  readonly rounds: number;
  readonly helloMs: number;
  /** Whether the state before this round is kept in the store, whoever asks. */
  readonly isKept: (round: number) => boolean;
};

/** The computing that the protocol needs done; the state lives with whoever implements this. */
export type Algebra<Sum> = {
  /** The sum of `node` from those of its children; both stay as they are. */
  merge(node: number, left: Sum, right: Sum): Sum;
  /** The state before `round` becomes the one after it. Throws what ends the run. */
  step(round: number, sum: Sum): void;
  /** Digest of the state as it stands. */
  digest(): number;
};

/** A round message with its sum whole; chunks are cut and joined outside. */
export type Message<Sum> =
  | Exclude<RoundMessage, { kind: 'sum' }>
  | {
      readonly kind: 'sum';
      readonly from: WorkerId;
      readonly generation: number;
      readonly round: number;
      readonly state: number;
      readonly node: number;
      readonly sum: Sum;
    };

export type RoundEvent<Sum> =
  | { readonly kind: 'view'; readonly view: RunView; readonly nowMs: number }
  | { readonly kind: 'message'; readonly message: Message<Sum>; readonly nowMs: number }
  /** Answer to `compute`: sums of nodes that together cover exactly the lanes asked for. */
  | {
      readonly kind: 'computed';
      readonly attempt: number;
      readonly sums: readonly (readonly [node: number, sum: Sum])[];
      readonly nowMs: number;
    }
  /** Answer to `load`: the state before `round` stands; undefined where it could not be read. */
  | { readonly kind: 'loaded'; readonly round: number | undefined; readonly nowMs: number }
  /** Answer to `save`. */
  | { readonly kind: 'saved'; readonly checkpoint: Checkpoint; readonly nowMs: number }
  | { readonly kind: 'tick'; readonly nowMs: number };

/** Done by the shell in order, before the next event. */
export type RoundAction<Sum> =
  | {
      readonly kind: 'compute';
      readonly attempt: number;
      readonly round: number;
      readonly lanes: readonly number[];
    }
  | { readonly kind: 'send'; readonly message: Message<Sum> }
  /** Keep the state as it stands, which is that before `round`. */
  | { readonly kind: 'save'; readonly round: number }
  /** Undefined: make the first state from the seed. A later load replaces one under way. */
  | { readonly kind: 'load'; readonly checkpoint: Checkpoint | undefined }
  /** The state is the result, and it is this worker that commits it. */
  | { readonly kind: 'finish' }
  /** State and sums are needed no more. */
  | { readonly kind: 'release' };

type Mode = 'outside' | 'seeking' | 'loading' | 'computing' | 'gathering' | 'done';

/** How many times `helloMs` a worker waits at most before it says again where it is. */
const PATIENCE = 8;

/** Where another member stands, as far as it said so in this generation. */
type Peer = { readonly round: number; readonly needsState: boolean };

export class Round<Sum> {
  readonly #setup: RoundSetup;
  readonly #algebra: Algebra<Sum>;
  #mode: Mode = 'outside';
  #view: RunView | undefined;
  /** The state that this worker holds stands before this round. */
  #round = 0;
  /** Numbers the `compute` actions: answers to earlier ones are stale. */
  #attempt = 0;
  /** Sums of this round by node; those of others wait here until the own ones are there. */
  #sums = new Map<number, Sum>();
  /** What this worker computed itself, to be sent again on request. */
  #own: readonly (readonly [number, Sum])[] = [];
  /** Sums and state digests of the next round, from members that are one ahead. */
  #early: { readonly node: number; readonly sum: Sum; readonly state: number; from: WorkerId }[] =
    [];
  /** `state`: the digest before this sum was stepped, which who takes it must have too. */
  #lastRoot: { readonly round: number; readonly sum: Sum; readonly state: number } | undefined;
  #peers = new Map<WorkerId, Peer>();
  #saved: Checkpoint | undefined;
  /** A member without state waits for the save of this round. */
  #savingFor: number | undefined;
  #saidMs = 0;
  /** When the own sums went out last, and to whose hellos of this round they did. */
  #ownSentMs = 0;
  #answered = new Set<WorkerId>();
  /** Waiting times double: a member that loads rows for a minute is not asked 150 times. */
  #patienceMs = 0;
  /** Whether this worker said hello since it last went on. */
  #late = false;
  #actions: RoundAction<Sum>[] = [];

  constructor(setup: RoundSetup, algebra: Algebra<Sum>) {
    this.#setup = setup;
    this.#algebra = algebra;
  }

  get mode(): Mode {
    return this.#mode;
  }
  get round(): number {
    return this.#round;
  }
  get generation(): number {
    return this.#view?.generation ?? 0;
  }

  on(event: RoundEvent<Sum>): readonly RoundAction<Sum>[] {
    this.#actions = [];
    switch (event.kind) {
      case 'view':
        this.#onView(event.view, event.nowMs);
        break;
      case 'message':
        if (this.accepts(event.message)) this.#onMessage(event.message, event.nowMs);
        break;
      case 'computed':
        this.#onComputed(event.attempt, event.sums, event.nowMs);
        break;
      case 'loaded':
        this.#onLoaded(event.round, event.nowMs);
        break;
      case 'saved':
        this.#onSaved(event.checkpoint);
        break;
      case 'tick':
        this.#onTick(event.nowMs);
        break;
    }
    return this.#actions;
  }

  /**
   * Only words of this generation count. A former member's sums would be right all the same; but who
   * has a state, and who is behind, is known of members alone.
   */
  protected accepts(message: Message<Sum>): boolean {
    return (
      this.#mode !== 'outside' &&
      message.generation === this.generation &&
      message.from !== this.#setup.worker &&
      this.#members().includes(message.from) &&
      this.#isPossible(message)
    );
  }

  /** A round of this run; and of sums, the root's, or those of lanes that the sender owns. */
  #isPossible(message: Message<Sum>): boolean {
    const { rounds } = this.#setup;
    if (message.kind === 'saved') return message.checkpoint.round <= rounds;
    if (message.kind === 'hello') return message.round <= rounds;
    const { node, round, from } = message;
    return round < rounds && (node === ROOT || this.#ownsAll(from, node));
  }

  #ownsAll(worker: WorkerId, node: number): boolean {
    const laneOwner = this.#view?.laneOwner ?? [];
    if (node < ROOT || node >= 2 * laneOwner.length) return false;
    const { first, count } = lanesUnder(node, laneOwner.length);
    return laneOwner.slice(first, first + count).every((owner) => owner === worker);
  }

  // ── membership ──

  #onView(view: RunView, nowMs: number): void {
    if (view.generation < this.generation) return;
    const isNew = view.generation > this.generation;
    this.#view = view;
    if (view.ended) {
      if (this.#mode !== 'outside') this.#leave();
      return;
    }
    if (!isNew) return;
    this.#attempt++;
    this.#peers = new Map();
    this.#early = [];
    this.#savingFor = undefined;
    if (this.#ownLanes().length === 0) this.#leave();
    else if (this.#mode === 'outside' || this.#mode === 'seeking') this.#seek(nowMs);
    else if (this.#mode !== 'loading') {
      this.#hello(nowMs);
      this.#begin();
    }
  }

  #leave(): void {
    this.#mode = 'outside';
    this.#forget();
    this.#actions.push({ kind: 'release' });
  }

  #forget(): void {
    this.#attempt++;
    this.#sums = new Map();
    this.#own = [];
    this.#early = [];
    this.#lastRoot = undefined;
    this.#saved = undefined;
    this.#savingFor = undefined;
  }

  #members(): WorkerId[] {
    return [...new Set(this.#view?.laneOwner ?? [])];
  }
  #others(): WorkerId[] {
    return this.#members().filter((member) => member !== this.#setup.worker);
  }
  #ownLanes(): number[] {
    const owner = this.#view?.laneOwner ?? [];
    return [...owner.keys()].filter((lane) => owner[lane] === this.#setup.worker);
  }

  // ── getting a state ──

  #seek(nowMs: number): void {
    this.#forget();
    this.#patienceMs = this.#setup.helloMs;
    this.#mode = 'seeking';
    this.#hello(nowMs);
    this.#loadIfNobodyHolds();
  }

  /** Where no member holds a state, all start from the newest checkpoint, or from the seed. */
  #loadIfNobodyHolds(): void {
    if (this.#others().every((member) => this.#peers.get(member)?.needsState)) {
      this.#load(this.#view?.checkpoint);
    }
  }

  #load(checkpoint: Checkpoint | undefined): void {
    this.#forget();
    this.#mode = 'loading';
    this.#actions.push({ kind: 'load', checkpoint });
  }

  #onLoaded(round: number | undefined, nowMs: number): void {
    if (this.#mode !== 'loading') return;
    if (round === undefined) {
      this.#mode = 'seeking';
      this.#hello(nowMs);
      return;
    }
    this.#round = round;
    this.#mode = 'computing';
    this.#hello(nowMs);
    this.#begin();
  }

  // ── a round ──

  /** Computes the own lanes of the round before which the state stands. */
  #begin(): void {
    this.#attempt++;
    this.#sums = new Map();
    this.#own = [];
    this.#late = false;
    this.#answered = new Set();
    this.#patienceMs = this.#setup.helloMs;
    if (this.#round === this.#setup.rounds) {
      this.#mode = 'done';
      if (this.#keeps()) this.#actions.push({ kind: 'finish' });
      return;
    }
    this.#mode = 'computing';
    this.#actions.push({
      kind: 'compute',
      attempt: this.#attempt,
      round: this.#round,
      lanes: this.#ownLanes(),
    });
  }

  /** One member writes what is kept: the owner of lane 0. */
  #keeps(): boolean {
    return this.#view?.laneOwner[0] === this.#setup.worker;
  }

  #onComputed(attempt: number, sums: readonly (readonly [number, Sum])[], nowMs: number): void {
    if (attempt !== this.#attempt || this.#mode !== 'computing') return;
    this.#mode = 'gathering';
    this.#saidMs = nowMs;
    const others = [...this.#sums];
    this.#sums = new Map();
    for (const [node, sum] of sums) this.add(this.#sums, node, sum);
    this.#own = [...this.#sums].filter(([node]) => !this.#sums.has(parentOf(node)));
    this.#sendOwn(nowMs);
    for (const [node, sum] of others) this.add(this.#sums, node, sum);
    this.#stepIfComplete(nowMs);
  }

  /** Puts a sum into its place and climbs while the sibling is known too. */
  protected add(sums: Map<number, Sum>, node: number, sum: Sum): void {
    if (sums.has(node)) return;
    sums.set(node, sum);
    const sibling = sums.get(siblingOf(node));
    if (node === ROOT || sibling === undefined || sums.has(parentOf(node))) return;
    const [left, right] = isLeft(node) ? [sum, sibling] : [sibling, sum];
    this.add(sums, parentOf(node), this.#algebra.merge(parentOf(node), left, right));
  }

  #stepIfComplete(nowMs: number): void {
    const root = this.#sums.get(ROOT);
    if (root === undefined || this.#mode !== 'gathering') return;
    const state = this.#algebra.digest();
    this.#algebra.step(this.#round, root);
    this.#lastRoot = { round: this.#round, sum: root, state };
    this.#round++;
    if (this.#keeps() && this.#setup.isKept(this.#round)) {
      this.#actions.push({ kind: 'save', round: this.#round });
    }
    this.#begin();
    const early = this.#early;
    this.#early = [];
    for (const { from, node, sum, state } of early) {
      this.checkState(from, state);
      if (!this.#sums.has(node)) this.#sums.set(node, sum);
    }
    this.#saidMs = nowMs;
  }

  #sendOwn(nowMs: number): void {
    if (this.#others().length === 0) return;
    this.#ownSentMs = nowMs;
    const state = this.#algebra.digest();
    for (const [node, sum] of this.#own) this.#sendSum({ round: this.#round, state, node, sum });
  }

  #sendSum(of: { round: number; state: number; node: number; sum: Sum }): void {
    const { worker: from } = this.#setup;
    this.#actions.push({
      kind: 'send',
      message: { kind: 'sum', from, generation: this.generation, ...of },
    });
  }

  // ── what others say ──

  #onMessage(message: Message<Sum>, nowMs: number): void {
    switch (message.kind) {
      case 'hello':
        this.#onHello(message, nowMs);
        break;
      case 'sum':
        this.#peers.set(message.from, { round: message.round, needsState: false });
        if (this.#holds()) this.#onSum(message, nowMs);
        break;
      case 'saved':
        if (this.#wants(message.checkpoint.round)) this.#load(message.checkpoint);
        break;
    }
  }

  #onHello(hello: Extract<Message<Sum>, { kind: 'hello' }>, nowMs: number): void {
    this.#peers.set(hello.from, hello);
    if (this.#mode === 'seeking') this.#loadIfNobodyHolds();
    else if (!this.#holds()) return;
    else if (hello.needsState) this.#giveState();
    else if (hello.round > this.#round + 1) this.#seek(nowMs);
    else if (hello.round < this.#round) this.#helpUp(hello.round);
    else if (hello.round === this.#round) {
      this.checkState(hello.from, hello.state);
      this.#answerWithOwn(hello.from, nowMs);
    }
  }

  /** The first hello of a member in a round is answered at once; who repeats it waits like all others. */
  #answerWithOwn(from: WorkerId, nowMs: number): void {
    if (this.#mode !== 'gathering') return;
    const isDue = nowMs - this.#ownSentMs >= this.#setup.helloMs;
    if (this.#answered.has(from) && !isDue) return;
    this.#answered.add(from);
    this.#sendOwn(nowMs);
  }

  /** A member is behind: the root sum takes it one round on, a saved state any number. */
  #helpUp(round: number): void {
    if (this.#lastRoot?.round !== round) this.#giveState();
    else if (this.#isFirst()) this.#sendSum({ node: ROOT, ...this.#lastRoot });
  }

  #giveState(): void {
    if (!this.#isFirst()) return;
    if (this.#saved?.round === this.#round) this.#saySaved(this.#saved);
    else if (this.#savingFor !== this.#round) {
      this.#savingFor = this.#round;
      this.#actions.push({ kind: 'save', round: this.#round });
    }
  }

  /** Of those known to stand here or further, the lowest answers. Two that think so do no harm. */
  #isFirst(): boolean {
    return this.#others().every((member) => {
      const peer = this.#peers.get(member);
      const stands = peer && !peer.needsState && peer.round >= this.#round;
      return !stands || member > this.#setup.worker;
    });
  }

  #onSaved(checkpoint: Checkpoint): void {
    if (!this.#holds()) return;
    this.#saved = checkpoint;
    if (this.#savingFor !== checkpoint.round) return;
    this.#savingFor = undefined;
    this.#saySaved(checkpoint);
  }

  #saySaved(checkpoint: Checkpoint): void {
    const { worker: from } = this.#setup;
    this.#actions.push({
      kind: 'send',
      message: { kind: 'saved', from, generation: this.generation, checkpoint },
    });
  }

  #wants(round: number): boolean {
    if (this.#mode === 'seeking') return true;
    if (!this.#holds()) return false;
    return round > this.#round + 1 || (round === this.#round + 1 && this.#late);
  }

  #onSum(message: Extract<Message<Sum>, { kind: 'sum' }>, nowMs: number): void {
    if (message.round > this.#round + 1) {
      this.#seek(nowMs);
      return;
    }
    if (message.round < this.#round || this.#mode === 'done') return;
    if (message.round === this.#round + 1) {
      this.#early = this.#early.filter((early) => early.node !== message.node);
      this.#early.push(message);
      return;
    }
    this.checkState(message.from, message.state);
    if (this.#mode === 'computing') {
      if (!this.#sums.has(message.node)) this.#sums.set(message.node, message.sum);
      return;
    }
    this.add(this.#sums, message.node, message.sum);
    this.#stepIfComplete(nowMs);
  }

  protected checkState(from: WorkerId, state: number): void {
    const own = this.#algebra.digest();
    if (own === state) return;
    throw new GristmillError(
      'STATE_DIVERGED',
      `Cannot go on with round ${this.#round}: ${from} has the state digest ${state}, expected ${own}`,
    );
  }

  #holds(): boolean {
    return this.#mode === 'computing' || this.#mode === 'gathering' || this.#mode === 'done';
  }

  // ── saying where one stands ──

  #onTick(nowMs: number): void {
    if (this.#mode !== 'seeking' && this.#mode !== 'gathering') return;
    if (nowMs - this.#saidMs < this.#patienceMs) return;
    this.#patienceMs = Math.min(2 * this.#patienceMs, PATIENCE * this.#setup.helloMs);
    this.#late = true;
    this.#hello(nowMs);
    if (this.#mode === 'seeking') this.#loadIfNobodyHolds();
  }

  #hello(nowMs: number): void {
    this.#saidMs = nowMs;
    if (this.#others().length === 0) return;
    const needsState = !this.#holds();
    this.#actions.push({
      kind: 'send',
      message: {
        kind: 'hello',
        from: this.#setup.worker,
        generation: this.generation,
        round: this.#round,
        state: needsState ? 0 : this.#algebra.digest(),
        needsState,
      },
    });
  }
}
