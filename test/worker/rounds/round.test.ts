import { expect, test } from 'vitest';
import type { Digest, WorkerId } from '../../../common/ids.ts';
import type { RunView } from '../../../common/wire/round.ts';
import { type Message, Round, type RoundAction } from '../../../worker/rounds/round.ts';

const [A, B, C] = ['w-a', 'w-b', 'w-c'] as [WorkerId, WorkerId, WorkerId];
const HELLO_MS = 400;

/** Sums are texts that show the tree; the state is the list of what was stepped. */
function open(worker: WorkerId, rounds = 3): { round: Round<string>; steps: string[] } {
  const steps: string[] = [];
  const round = new Round<string>(
    { worker, rounds, helloMs: HELLO_MS, isKept: (at) => at === rounds },
    {
      merge: (_node, left, right) => `(${left}+${right})`,
      step: (_round, sum) => void steps.push(sum),
      digest: () => steps.length,
    },
  );
  return { round, steps };
}

const view = (laneOwner: WorkerId[], generation = 1, other: Partial<RunView> = {}): RunView => ({
  run: 'run' as Digest,
  numerics: 'p',
  generation,
  laneOwner,
  joining: [],
  checkpoint: undefined,
  ended: false,
  ...other,
});
const kinds = (actions: readonly RoundAction<string>[]): string[] =>
  actions.map((action) => (action.kind === 'send' ? `send ${action.message.kind}` : action.kind));
const attemptOf = (actions: readonly RoundAction<string>[]): number => {
  const found = actions.find((action) => action.kind === 'compute');
  return found?.kind === 'compute' ? found.attempt : -1;
};
const sum = (from: WorkerId, node: number, text: string, round = 0): Message<string> => ({
  kind: 'sum',
  from,
  generation: 1,
  round,
  state: round,
  node,
  sum: text,
});
const hello = (from: WorkerId, round: number, needsState = false): Message<string> => ({
  kind: 'hello',
  from,
  generation: 1,
  round,
  state: round,
  needsState,
});

/** A and B own two lanes each; A holds the first state and has computed. */
function gathering(): { round: Round<string>; steps: string[] } {
  const opened = open(A);
  const { round } = opened;
  round.on({ kind: 'view', view: view([A, A, B, B]), nowMs: 0 });
  round.on({ kind: 'message', message: hello(B, 0, true), nowMs: 0 });
  const begun = round.on({ kind: 'loaded', round: 0, nowMs: 0 });
  const sums = [[2, '(0+1)']] as const;
  round.on({ kind: 'computed', attempt: attemptOf(begun), sums, nowMs: 0 });
  return opened;
}

test('Round with one worker sends nothing and merges along the tree', () => {
  const { round, steps } = open(A, 1);
  expect(kinds(round.on({ kind: 'view', view: view([A, A, A, A]), nowMs: 0 }))).toEqual(['load']);
  const begun = round.on({ kind: 'loaded', round: 0, nowMs: 0 });
  expect(kinds(begun)).toEqual(['compute']);
  const sums = [
    [6, '2'],
    [4, '0'],
    [7, '3'],
    [5, '1'],
  ] as const;
  const after = round.on({ kind: 'computed', attempt: attemptOf(begun), sums, nowMs: 0 });
  expect(steps).toEqual(['((0+1)+(2+3))']);
  expect(kinds(after)).toEqual(['save', 'finish']);
});

test('Round steps once both halves are there, whoever came first', () => {
  const { round, steps } = gathering();
  round.on({ kind: 'message', message: sum(B, 7, '3'), nowMs: 1 });
  expect(steps).toEqual([]);
  round.on({ kind: 'message', message: sum(B, 7, 'again'), nowMs: 1 });
  round.on({ kind: 'message', message: sum(B, 6, '2'), nowMs: 1 });
  expect(steps).toEqual(['((0+1)+(2+3))']);
  expect(round.round).toBe(1);
});

test('Round drops words of another generation and of strangers', () => {
  const { round, steps } = gathering();
  round.on({ kind: 'message', message: { ...sum(B, 3, 'x'), generation: 2 }, nowMs: 1 });
  round.on({ kind: 'message', message: sum(C, 3, 'x'), nowMs: 1 });
  expect(steps).toEqual([]);
});

test('Round keeps sums of the next round until it is there', () => {
  const { round, steps } = gathering();
  round.on({ kind: 'message', message: sum(B, 3, 'next', 1), nowMs: 1 });
  const begun = round.on({ kind: 'message', message: sum(B, 3, '(2+3)'), nowMs: 1 });
  const sums = [[2, 'own']] as const;
  round.on({ kind: 'computed', attempt: attemptOf(begun), sums, nowMs: 1 });
  expect(steps).toEqual(['((0+1)+(2+3))', '(own+next)']);
});

test('Round answers a member one round behind with the root, one beside it with its own sums', () => {
  const { round } = gathering();
  const beside = round.on({ kind: 'message', message: hello(B, 0), nowMs: 500 });
  expect(beside).toMatchObject([{ kind: 'send', message: { kind: 'sum', node: 2, round: 0 } }]);
  round.on({ kind: 'message', message: sum(B, 3, '(2+3)'), nowMs: 1 });
  const behind = round.on({ kind: 'message', message: hello(B, 0), nowMs: 1 });
  expect(behind).toMatchObject([
    { kind: 'send', message: { kind: 'sum', node: 1, round: 0, sum: '((0+1)+(2+3))' } },
  ]);
});

test('Round saves its state for a member without one, and says so', () => {
  const { round } = gathering();
  const asked = round.on({ kind: 'message', message: hello(B, 0, true), nowMs: 1 });
  expect(asked).toEqual([{ kind: 'save', round: 0 }]);
  const checkpoint = { round: 0, blob: { key: 'k', sha256: 'd' as Digest, bytes: 1 } };
  const saved = round.on({ kind: 'saved', checkpoint, nowMs: 2 });
  expect(saved).toMatchObject([{ kind: 'send', message: { kind: 'saved', checkpoint } }]);
});

test('Round without state says so, and loads what a holder saved', () => {
  const { round } = open(B);
  const joined = round.on({ kind: 'view', view: view([A, A, B, B]), nowMs: 0 });
  expect(joined).toMatchObject([{ kind: 'send', message: { kind: 'hello', needsState: true } }]);
  expect(round.on({ kind: 'message', message: hello(A, 9), nowMs: 1 })).toEqual([]);
  const checkpoint = { round: 9, blob: { key: 'k', sha256: 'd' as Digest, bytes: 1 } };
  const message: Message<string> = { kind: 'saved', from: A, generation: 1, checkpoint };
  expect(round.on({ kind: 'message', message, nowMs: 2 })).toEqual([{ kind: 'load', checkpoint }]);
});

test('Round that waits says hello, and waits longer each time', () => {
  const { round } = gathering();
  const said = [400, 600, 1199, 1200, 2000, 2800].filter(
    (nowMs) => round.on({ kind: 'tick', nowMs }).length > 0,
  );
  expect(said).toEqual([400, 1200, 2800]);
});

test('Round computes its new lanes in a new generation, and forgets stale answers', () => {
  const { round, steps } = gathering();
  const renewed = round.on({ kind: 'view', view: view([A, A, A, A], 2), nowMs: 1 });
  expect(renewed).toMatchObject([{ kind: 'compute', lanes: [0, 1, 2, 3] }]);
  round.on({ kind: 'computed', attempt: 1, sums: [[1, 'stale']], nowMs: 1 });
  expect(steps).toEqual([]);
});

test('Round that owns nothing any more lets go', () => {
  const { round } = gathering();
  expect(round.on({ kind: 'view', view: view([B, B, B, B], 2), nowMs: 1 })).toEqual([
    { kind: 'release' },
  ]);
});

test('Round stops where another state stands before the same round', () => {
  const { round } = gathering();
  const message = { ...sum(B, 3, 'x'), state: 99 };
  expect(() => round.on({ kind: 'message', message, nowMs: 1 })).toThrow(
    expect.objectContaining({ code: 'STATE_DIVERGED' }),
  );
});
