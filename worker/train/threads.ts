// The threads of the child that train, seen from its main thread.
// In: lanes to hold, rounds to compute. Out: sums of the subtrees that each thread owns.
// Why one thing at a time: threads read the weights and write the sums that the main thread reads and writes.
import { join } from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { bytesOfSum, type Sum, viewSum } from '../../common/algorithm/algorithm.ts';
import { dealLanes, lanesOf } from '../../common/algorithm/deal.ts';
import { coverOf } from '../../common/algorithm/tree.ts';
import type { ResidentContext } from '../../common/child/protocol.ts';
import { makeDeferred } from '../../common/deferred.ts';
import { fromWireError, GristmillError } from '../../common/errors.ts';
import type { TrainProgram } from '../../common/stage/train.ts';
import { algorithmOf } from './algorithms/algorithms.ts';
import type { FromLanes, LanesArgs, ToLanes } from './messages.ts';

export type ThreadsSetup = {
  readonly context: ResidentContext;
  readonly program: TrainProgram;
  readonly files: Readonly<Record<string, string>>;
  readonly scratch: string;
};

export class Threads {
  readonly #setup: ThreadsSetup;
  readonly #threads: LaneThread[] = [];
  #owner: readonly (string | undefined)[];
  #turn: Promise<unknown> = Promise.resolve();
  readonly #algorithm: ReturnType<typeof algorithmOf>;
  #state = new SharedArrayBuffer(0);
  /** Two sums a node: those of a round stay while the next is computed, as somebody may ask for them. */
  readonly #slots = new Map<string, SharedArrayBuffer>();

  constructor(setup: ThreadsSetup) {
    this.#setup = setup;
    this.#owner = new Array(setup.program.lanes).fill(undefined);
    this.#algorithm = algorithmOf(setup.program);
  }

  get count(): number {
    return this.#threads.length;
  }
  get lanes(): number[] {
    return this.#threads.flatMap(({ lanes }) => lanes).sort((a, b) => a - b);
  }

  /** Loads what is missing and lets go of the rest. */
  hold(lanes: readonly number[]): Promise<void> {
    return this.#inTurn(() => this.#hold(lanes));
  }

  /** Sums of nodes that together cover these lanes; they must be held. */
  compute(
    round: number,
    state: Float32Array,
    lanes: readonly number[],
  ): Promise<readonly (readonly [node: number, sum: Sum])[]> {
    return this.#inTurn(() => this.#compute(round, state, lanes));
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #hold(lanes: readonly number[]): Promise<void> {
    const { context, program } = this.#setup;
    const wanted = Math.min(context.threads, lanes.length);
    while (this.#threads.length < wanted) this.#threads.push(this.#start());
    this.#owner = dealLanes({
      lanes: program.lanes,
      dealt: lanes,
      takers: this.#threads.map(({ id }) => ({ id, threads: 1 })),
      previous: this.#owner,
    });
    await Promise.all(this.#threads.map((thread) => this.#holdIn(thread)));
  }

  async #holdIn(thread: LaneThread): Promise<void> {
    const lanes = lanesOf(this.#owner, thread.id);
    if (
      lanes.length === thread.lanes.length &&
      lanes.every((lane) => thread.lanes.includes(lane))
    ) {
      return;
    }
    thread.lanes = thread.lanes.filter((lane) => lanes.includes(lane));
    await thread.ask({ kind: 'hold', lanes });
    thread.lanes = lanes;
  }

  async #compute(
    round: number,
    state: Float32Array,
    lanes: readonly number[],
  ): Promise<readonly (readonly [number, Sum])[]> {
    this.#share(state);
    const jobs = this.#threads.map((thread) => {
      const own = thread.lanes.filter((lane) => lanes.includes(lane));
      const nodes = coverOf(own, this.#setup.program.lanes);
      return { thread, nodes: nodes.map((node) => ({ node, sum: this.#slot(node, round) })) };
    });
    const busy = jobs.filter(({ nodes }) => nodes.length > 0);
    await Promise.all(
      busy.map(({ thread, nodes }) =>
        thread.ask({ kind: 'compute', round, state: this.#state, nodes }),
      ),
    );
    const shape = this.#algorithm.sumOf(round);
    return busy.flatMap(({ nodes }) =>
      nodes.map(({ node, sum }) => [node, viewSum(shape, sum)] as const),
    );
  }

  #share(state: Float32Array): void {
    if (this.#state.byteLength !== state.byteLength) {
      this.#state = new SharedArrayBuffer(state.byteLength);
    }
    new Float32Array(this.#state).set(state);
  }

  #slot(node: number, round: number): SharedArrayBuffer {
    const shape = this.#algorithm.sumOf(round);
    const key = `${shape.numbers} ${shape.length} ${node} ${round % 2}`;
    const known = this.#slots.get(key);
    if (known) return known;
    const slot = new SharedArrayBuffer(bytesOfSum(shape));
    this.#slots.set(key, slot);
    return slot;
  }

  #start(): LaneThread {
    const { context, program, files, scratch } = this.#setup;
    const id = String(this.#threads.length);
    return new LaneThread(context, id, { program, files, scratch: join(scratch, `lanes-${id}`) });
  }
}

type Asked = { readonly resolve: () => void; readonly reject: (error: unknown) => void };

/** One thread: one question at a time, one answer each; after its end every question is an error. */
class LaneThread {
  readonly id: string;
  lanes: readonly number[] = [];
  readonly #port: MessagePort;
  readonly #ended: Promise<void>;
  #asked: Asked | undefined;
  #gone: unknown;

  constructor(context: ResidentContext, id: string, args: Omit<LanesArgs, 'port'>) {
    const { port1, port2 } = new MessageChannel();
    this.id = id;
    this.#port = port1;
    port1.on('message', (answer: FromLanes) => {
      if (answer.kind === 'failed') this.#end(fromWireError(answer.error));
      else this.#answer()?.resolve();
    });
    const call = context.run('lanes', { ...args, port: port2 } satisfies LanesArgs, [port2]);
    const lost = new GristmillError('CHILD_LOST', `Thread ${id} of training ended by itself`);
    this.#ended = call.then(
      () => this.#end(lost),
      (error: unknown) => this.#end(error),
    );
  }

  ask(question: ToLanes): Promise<void> {
    if (this.#gone) return Promise.reject(this.#gone);
    const { promise, resolve, reject } = makeDeferred<void>();
    this.#asked = { resolve, reject };
    this.#port.postMessage(question);
    return promise;
  }

  close(): Promise<void> {
    this.#port.close();
    return this.#ended;
  }

  #answer(): Asked | undefined {
    const asked = this.#asked;
    this.#asked = undefined;
    return asked;
  }

  #end(error: unknown): void {
    this.#gone ??= error;
    this.#answer()?.reject(this.#gone);
  }
}
