// Thousands of training runs with faults. SEED=41 replays one; SEEDS=20000 runs more.
import { expect, test } from 'vitest';
import { parentOf, ROOT, siblingOf } from '../../common/algorithm/tree.ts';
import { type Message, Round } from '../../worker/rounds/round.ts';
import { type Forger, type SimOptions, simulateRun } from './rounds.ts';

const SEEDS = Number(process.env.SEEDS ?? 2000);

/** The first seed that finds a broken invariant, with what broke. */
function firstFailure(
  options: Omit<SimOptions, 'seed'>,
  seeds: number,
): { seed: number; why: string } | undefined {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      simulateRun({ ...options, seed });
    } catch (error) {
      return { seed, why: error instanceof Error ? `${error.message}` : String(error) };
    }
  }
  return undefined;
}

test('Round and Members end every run with the sums of the tree, whatever fails', () => {
  if (process.env.SEED) {
    simulateRun({ seed: Number(process.env.SEED) });
    return;
  }
  const failure = firstFailure({}, SEEDS);
  expect(failure, `replay with SEED=${failure?.seed}`).toBeUndefined();
}, 120_000);

test('simulateRun() finds a Round that merges in the order of arrival', () => {
  class InOrderOfArrival extends Round<number> {
    protected override add(sums: Map<number, number>, node: number, sum: number): void {
      const isSecond = sums.has(siblingOf(node)) && node !== ROOT && !sums.has(parentOf(node));
      const first = sums.get(siblingOf(node));
      if (isSecond && first !== undefined) {
        sums.set(2 * parentOf(node), first);
        sums.delete(2 * parentOf(node) + 1);
      }
      super.add(sums, isSecond ? 2 * parentOf(node) + 1 : node, sum);
    }
  }
  const failure = firstFailure({ makeRound: (...a) => new InOrderOfArrival(...a) }, 50);
  expect(failure?.why).toMatch(/another sum/);
});

test('simulateRun() finds a Round that takes the sum of another round', () => {
  class AnyRound extends Round<number> {
    protected override accepts(message: Message<number>): boolean {
      if (message.kind === 'sum') Object.assign(message, { round: this.round });
      return super.accepts(message);
    }
  }
  const failure = firstFailure({ makeRound: (...a) => new AnyRound(...a) }, 200);
  expect(failure?.why).toMatch(/another sum|digest/);
});

test('simulateRun() finds a Round that adds a redelivered sum again', () => {
  class Twice extends Round<number> {
    protected override add(sums: Map<number, number>, node: number, sum: number): void {
      const before = sums.get(node);
      if (before === undefined) super.add(sums, node, sum);
      else sums.set(node, before + sum);
    }
  }
  const failure = firstFailure({ makeRound: (...a) => new Twice(...a) }, 200);
  expect(failure?.why).toMatch(/another sum/);
});

test('simulateRun() finds a Round that never says hello', () => {
  class Silent extends Round<number> {
    protected override accepts(message: Message<number>): boolean {
      return message.kind !== 'hello' && super.accepts(message);
    }
  }
  const failure = firstFailure({ makeRound: (...a) => new Silent(...a) }, 50);
  expect(failure?.why).toMatch(/does not end/);
});

const forgedSum = (of: Parameters<Forger>[0], other: Partial<Message<number>>): Message<number> =>
  ({
    kind: 'sum',
    from: of.from,
    generation: of.generation,
    round: of.round,
    state: of.state,
    node: ROOT,
    sum: 666,
    ...other,
  }) as Message<number>;

test('Round stops at the root of another state, and never steps it', () => {
  const forge: Forger = (of) => forgedSum(of, { state: of.state + 1 });
  for (let seed = 1; seed <= 200; seed++) {
    try {
      simulateRun({ seed, forge });
    } catch (error) {
      expect(error).toMatchObject({ code: 'STATE_DIVERGED' });
    }
  }
});

test('simulateRun() finds a Round that steps the root of another state', () => {
  class Trusting extends Round<number> {
    protected override checkState(): void {}
  }
  const failure = firstFailure(
    {
      forge: (of) => forgedSum(of, { state: of.state + 1 }),
      makeRound: (...a) => new Trusting(...a),
    },
    50,
  );
  expect(failure?.why).toMatch(/another sum/);
});

test.each<[string, Forger]>([
  ['sums past the end of the run', (of) => forgedSum(of, { round: of.rounds })],
  ['sums outside the tree', (of) => forgedSum(of, { node: 2 * of.lanes })],
  ['sums of no node', (of) => forgedSum(of, { node: 0 })],
  ['a generation that is no more', (of) => forgedSum(of, { generation: of.generation - 1 })],
  [
    'hellos past the end of the run',
    ({ from, generation, rounds, state }) => ({
      kind: 'hello',
      from,
      generation,
      round: rounds + 1,
      state,
      needsState: false,
    }),
  ],
  [
    'checkpoints past the end of the run',
    ({ from, generation, rounds }) => ({
      kind: 'saved',
      from,
      generation,
      checkpoint: { round: rounds + 1, blob: { key: 'k', sha256: 'd' as never, bytes: 1 } },
    }),
  ],
])('Round ends well while somebody forges %s', (_, forge) => {
  const failure = firstFailure({ forge }, 100);
  expect(failure, `seed ${failure?.seed}`).toBeUndefined();
});
