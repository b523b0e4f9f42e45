// Thousands of training runs with faults. SEED=41 replays one; SEEDS=20000 runs more.
import { expect, test } from 'vitest';
import { parentOf, ROOT, siblingOf } from '../../common/algorithm/tree.ts';
import { type Message, Round } from '../../worker/rounds/round.ts';
import { type SimOptions, simulateRun } from './rounds.ts';

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
