// One worker of a run, event by event: what it sends, what it waits for, and what it lets pass by.
// In: messages, views, answers of the shell. Out: actions; sums are texts that show the tree.
import { expect, test } from 'vitest';
import type { Digest, RunId, WorkerId } from '../../../common/ids.ts';
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
  run: 'run' as RunId,
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
const sum = (
  from: WorkerId,
  node: number,
  text: string,
  round = 0,
): Extract<Message<string>, { kind: 'sum' }> => ({
  kind: 'sum',
  from,
  generation: 1,
  round,
  state: round,
  node,
  sum: text,
});
const hello = (
  from: WorkerId,
  round: number,
  needsState = false,
): Extract<Message<string>, { kind: 'hello' }> => ({
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
  const { round } = open(B, 9);
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

const hear = (
  { round }: { round: Round<string> },
  message: Message<string>,
  nowMs = 1,
): readonly RoundAction<string>[] => round.on({ kind: 'message', message, nowMs });
const diverged = expect.objectContaining({ code: 'STATE_DIVERGED' });

test.each([
  ['a sum', { ...sum(B, 3, 'x'), state: 99 }],
  ['the root', { ...sum(B, 1, 'forged'), state: 99 }],
  ['a hello', { ...hello(B, 0), state: 99 }],
])('Round stops at %s of another state before the same round', (_, message) => {
  const opened = gathering();
  expect(() => hear(opened, message)).toThrow(diverged);
  expect(opened.steps).toEqual([]);
});

test.each([1, 3])(
  'Round stops once it stands where an early sum of node %i had another state',
  (node) => {
    const opened = gathering();
    hear(opened, { ...sum(B, node, 'early', 1), state: 99 });
    expect(() => hear(opened, sum(B, 3, '(2+3)'))).toThrow(diverged);
    expect(opened.steps).toEqual(['((0+1)+(2+3))']);
  },
);

test('Round takes the root of its own state, from whoever is one ahead', () => {
  const opened = gathering();
  hear(opened, sum(B, 1, 'root'));
  expect(opened.steps).toEqual(['root']);
});

test('Round says with a root which state it was added to', () => {
  const opened = gathering();
  hear(opened, sum(B, 3, '(2+3)'));
  const root = { kind: 'sum', node: 1, round: 0, state: 0 };
  expect(hear(opened, hello(B, 0))).toMatchObject([{ kind: 'send', message: root }]);
});

test.each([
  ['lanes of its own', sum(B, 2, 'x')],
  ['a half that is not all the sender owns', sum(B, 5, 'x')],
  ['no node', sum(B, 0, 'x')],
  ['a node past the last lane', sum(B, 8, 'x')],
  ['a round past the last', sum(B, 1, 'x', 3)],
])('Round drops a sum of %s', (_, message) => {
  const opened = gathering();
  expect(hear(opened, message)).toEqual([]);
  expect(opened.steps).toEqual([]);
  expect(opened.round.mode).toBe('gathering');
});

test.each([
  [3, 1],
  [4, 0],
])('Round that hears a hello at round %i of 3 lets go of its state or not: %i', (at, drops) => {
  const opened = gathering();
  hear(opened, hello(B, at));
  expect(opened.round.mode === 'seeking').toBe(drops === 1);
});

test.each([
  [1, 'gathering'],
  [2, 'seeking'],
])('Round at 0 that hears a sum of round %i is %s', (at, mode) => {
  const opened = gathering();
  hear(opened, sum(B, 3, 'x', at));
  expect(opened.round.mode).toBe(mode);
  opened.round.on({ kind: 'tick', nowMs: 1 });
});

test.each([
  [1, 'gathering'],
  [2, 'seeking'],
])('Round at 0 that hears a hello of round %i is %s', (at, mode) => {
  const opened = gathering();
  hear(opened, hello(B, at));
  expect(opened.round.mode).toBe(mode);
});

test('Round answers a repeated hello again after helloMs, not before', () => {
  const opened = gathering();
  const answers = [1, 2, HELLO_MS, HELLO_MS + 1, HELLO_MS + 2].map(
    (nowMs) => hear(opened, hello(B, 0), nowMs).length,
  );
  expect(answers).toEqual([1, 0, 0, 1, 0]);
});

test('Round computing answers no hello: its sums are not there yet', () => {
  const opened = gathering();
  hear(opened, sum(B, 3, '(2+3)'));
  expect(opened.round.mode).toBe('computing');
  expect(hear(opened, hello(B, 1))).toEqual([]);
});

test('Round loads what was saved one round on only once it waits', () => {
  const opened = gathering();
  const blob = { key: 'k', sha256: 'd' as Digest, bytes: 1 };
  const saved = (at: number): Message<string> => ({
    kind: 'saved',
    from: B,
    generation: 1,
    checkpoint: { round: at, blob },
  });
  expect(hear(opened, saved(0))).toEqual([]);
  expect(hear(opened, saved(1))).toEqual([]);
  opened.round.on({ kind: 'tick', nowMs: HELLO_MS });
  expect(hear(opened, saved(0))).toEqual([]);
  expect(kinds(hear(opened, saved(1)))).toEqual(['load']);
  const ahead = gathering();
  expect(kinds(hear(ahead, saved(2)))).toEqual(['load']);
  expect(hear(gathering(), saved(4))).toEqual([]);
});

/** A, B and C own a lane or two each; `worker` holds the first state and has computed. */
function threesome(worker: WorkerId): { round: Round<string>; steps: string[] } {
  const opened = open(worker);
  const { round } = opened;
  round.on({ kind: 'view', view: view([A, A, B, C]), nowMs: 0 });
  for (const from of [A, B, C]) if (from !== worker) hear(opened, hello(from, 0, true));
  const begun = round.on({ kind: 'loaded', round: 0, nowMs: 0 });
  const own = { [A]: [2, 'a'], [B]: [6, 'b'], [C]: [7, 'c'] }[worker] as [number, string];
  round.on({ kind: 'computed', attempt: attemptOf(begun), sums: [own], nowMs: 0 });
  return opened;
}

test('Round leaves it to the lowest of those that stand here to save a state', () => {
  const [a, b] = [threesome(A), threesome(B)];
  hear(a, hello(B, 0));
  hear(b, hello(A, 0));
  expect(kinds(hear(a, hello(C, 0, true)))).toEqual(['save']);
  expect(hear(b, hello(C, 0, true))).toEqual([]);
});

test('Round saves itself where the lower one stands behind or has no state', () => {
  const b = threesome(B);
  expect(kinds(hear(b, hello(C, 0, true)))).toEqual(['save']);
  const lower = threesome(B);
  hear(lower, hello(A, 0));
  expect(kinds(hear(lower, hello(A, 0, true)))).toEqual(['save']);
});

test('Round saves once for all that ask, and says where it lies to who asks later', () => {
  const opened = gathering();
  const needy = hello(B, 0, true);
  expect([1, 2].map((nowMs) => kinds(hear(opened, needy, nowMs)))).toEqual([['save'], []]);
  const checkpoint = { round: 0, blob: { key: 'k', sha256: 'd' as Digest, bytes: 1 } };
  const answer = (): string[] => kinds(opened.round.on({ kind: 'saved', checkpoint, nowMs: 3 }));
  expect([answer(), answer()]).toEqual([['send saved'], []]);
  expect(kinds(hear(opened, needy, 4))).toEqual(['send saved']);
});

test('Round gives a state to who is two behind, and the root to who is one behind', () => {
  const opened = gathering();
  const begun = hear(opened, sum(B, 3, '(2+3)'));
  const sums = [[2, 'own']] as const;
  opened.round.on({ kind: 'computed', attempt: attemptOf(begun), sums, nowMs: 2 });
  hear(opened, sum(B, 3, 'next', 1));
  expect(opened.round.round).toBe(2);
  expect(kinds(hear(opened, hello(B, 0)))).toEqual(['save']);
  expect(hear(opened, hello(B, 1))).toMatchObject([
    { message: { kind: 'sum', node: 1, round: 1 } },
  ]);
});

test.each([
  [
    [A, A, B, B],
    ['save', 'finish'],
  ],
  [[B, B, A, A], []],
])('Round of owners %s ends with %s: the owner of lane 0 keeps', (owners, expected) => {
  const opened = open(A, 1);
  const { round } = opened;
  round.on({ kind: 'view', view: view(owners as WorkerId[]), nowMs: 0 });
  hear(opened, hello(B, 0, true));
  const begun = round.on({ kind: 'loaded', round: 0, nowMs: 0 });
  const [mine, other] = owners[0] === A ? [2, 3] : [3, 2];
  round.on({ kind: 'computed', attempt: attemptOf(begun), sums: [[mine, 'own']], nowMs: 0 });
  expect(kinds(hear(opened, sum(B, other, 'other')))).toEqual(expected);
  expect(round.mode).toBe('done');
});

test('Round hears no view twice, and none that is older', () => {
  const { round } = gathering();
  expect(round.on({ kind: 'view', view: view([B, B, B, B]), nowMs: 1 })).toEqual([]);
  expect(round.on({ kind: 'view', view: view([B, B, B, B], 0), nowMs: 1 })).toEqual([]);
  expect(round.generation).toBe(1);
  expect(kinds(round.on({ kind: 'view', view: view([], 1, { ended: true }), nowMs: 1 }))).toEqual([
    'release',
  ]);
  expect(round.on({ kind: 'view', view: view([], 1, { ended: true }), nowMs: 2 })).toEqual([]);
});

test('Round that cannot read a checkpoint says again that it needs a state', () => {
  const { round } = open(A);
  round.on({ kind: 'view', view: view([A, A, B, B]), nowMs: 0 });
  round.on({ kind: 'message', message: hello(B, 0, true), nowMs: 0 });
  const after = round.on({ kind: 'loaded', round: undefined, nowMs: 1 });
  expect(after).toMatchObject([{ kind: 'send', message: { kind: 'hello', needsState: true } }]);
  expect(round.mode).toBe('seeking');
  expect(round.on({ kind: 'loaded', round: 0, nowMs: 2 })).toEqual([]);
});

const checkpointOf = (round: number) => ({
  round,
  blob: { key: 'k', sha256: 'd' as Digest, bytes: 1 },
});
const savedBy = (from: WorkerId, round: number): Message<string> => ({
  kind: 'saved',
  from,
  generation: 1,
  checkpoint: checkpointOf(round),
});

/** A, which has a state and has not computed yet; B owns the other half. */
function computing(laneOwner = [A, A, B, B], at = 0) {
  const opened = open(A);
  opened.round.on({ kind: 'view', view: view(laneOwner), nowMs: 0 });
  for (const from of new Set(laneOwner)) if (from !== A) hear(opened, hello(from, 0, true));
  const begun = opened.round.on({ kind: 'loaded', round: at, nowMs: 0 });
  const attempt = attemptOf(begun);
  const computed = (nowMs: number, ...sums: (readonly [number, string])[]) =>
    opened.round.on({ kind: 'computed', attempt, sums, nowMs });
  return { ...opened, begun, attempt, computed };
}

test('Round says where it stands once it has a state, then computes', () => {
  expect(kinds(computing().begun)).toEqual(['send hello', 'compute']);
});

test('Round sends the highest nodes that it knows whole, once', () => {
  const { computed } = computing();
  const sent = computed(0, [4, '0'], [5, '1']);
  expect(sent).toMatchObject([{ message: { kind: 'sum', node: 2, sum: '(0+1)' } }]);
  expect(sent).toHaveLength(1);
  expect(computed(1, [4, 'x'], [5, 'x'])).toEqual([]);
});

test('Round keeps what others say while it computes, the first of each node', () => {
  const opened = computing();
  for (const [node, text] of [
    [6, '2'],
    [6, 'again'],
    [7, '3'],
  ] as const) {
    expect(hear(opened, sum(B, node, text))).toEqual([]);
  }
  opened.computed(0, [2, '(0+1)']);
  expect(opened.steps).toEqual(['((0+1)+(2+3))']);
});

test('Round computing is not asked where it stands, and answers the first hello after', () => {
  const opened = computing();
  expect(opened.round.on({ kind: 'tick', nowMs: 100 * HELLO_MS })).toEqual([]);
  expect(hear(opened, hello(B, 0), 5)).toEqual([]);
  opened.computed(6, [2, '(0+1)']);
  expect(kinds(hear(opened, hello(B, 0), 7))).toEqual(['send sum']);
});

test('Round hears nothing of its own', () => {
  const opened = gathering();
  expect(hear(opened, hello(A, 2))).toEqual([]);
  expect(opened.round.mode).toBe('gathering');
});

test('Round takes no sum of lanes that the sender does not own, nor of half of them', () => {
  const opened = computing([A, A, B, C]);
  opened.computed(0, [2, 'a']);
  for (const message of [sum(B, 7, 'forged'), sum(B, 3, 'forged'), sum(C, 6, 'forged')]) {
    hear(opened, message);
  }
  hear(opened, sum(B, 6, 'b'));
  expect(opened.steps).toEqual([]);
  hear(opened, sum(C, 7, 'c'));
  expect(opened.steps).toEqual(['(a+(b+c))']);
});

test('Round builds no sum of nodes that are below the lanes', () => {
  const opened = gathering();
  for (const node of [12, 13, 14, 15]) hear(opened, sum(B, node, 'forged'));
  expect(opened.steps).toEqual([]);
  for (const [node, text] of [
    [6, '2'],
    [7, '3'],
  ] as const) {
    hear(opened, sum(B, node, text));
  }
  expect(opened.steps).toEqual(['((0+1)+(2+3))']);
});

test.each([
  ['a new generation', [[A, A, A, B]]],
  [
    'it was let go and came back',
    [
      [B, B, B, B],
      [A, A, A, B],
    ],
  ],
] as const)('Round takes no answer from before %s', (_why, owners) => {
  const opened = computing();
  owners.forEach((laneOwner, i) => {
    opened.round.on({ kind: 'view', view: view([...laneOwner], 2 + i), nowMs: 1 });
  });
  if (opened.round.mode === 'seeking') {
    const needy = { ...hello(B, 0, true), generation: opened.round.generation };
    hear(opened, needy, 2);
    opened.round.on({ kind: 'loaded', round: 0, nowMs: 2 });
  }
  expect(opened.round.mode).toBe('computing');
  expect(opened.computed(3, [1, 'stale'])).toEqual([]);
  expect(opened.steps).toEqual([]);
});

test('Round tells the members of a new generation where it stands', () => {
  const { round } = gathering();
  const renewed = round.on({ kind: 'view', view: view([A, A, A, B], 2), nowMs: 1 });
  expect(kinds(renewed)).toEqual(['send hello', 'compute']);
});

test('Round without a state computes nothing in a new generation', () => {
  const { round } = open(A);
  round.on({ kind: 'view', view: view([A, A, B, B]), nowMs: 0 });
  const seeking = round.on({ kind: 'view', view: view([A, A, A, B], 2), nowMs: 1 });
  expect(seeking).toMatchObject([{ message: { kind: 'hello', needsState: true } }]);
  round.on({ kind: 'message', message: { ...hello(B, 0, true), generation: 2 }, nowMs: 2 });
  expect(round.mode).toBe('loading');
  expect(round.on({ kind: 'view', view: view([A, A, B, B], 3), nowMs: 3 })).toEqual([]);
  expect(round.mode).toBe('loading');
});

test('Round without a state neither judges nor seeks by what it hears', () => {
  const seeking = open(A);
  seeking.round.on({ kind: 'view', view: view([A, A, B, B]), nowMs: 0 });
  expect(hear(seeking, { ...sum(B, 3, 'x'), state: 99 })).toEqual([]);
  const loading = open(A);
  loading.round.on({ kind: 'view', view: view([A, A, B, B]), nowMs: 0 });
  hear(loading, hello(B, 0, true));
  expect(hear(loading, hello(B, 3))).toEqual([]);
  expect(hear(loading, savedBy(B, 2))).toEqual([]);
  expect(loading.round.mode).toBe('loading');
});

test('Round that could not read a checkpoint tries again after a while', () => {
  const { round } = open(A);
  round.on({ kind: 'view', view: view([A, A, B, B]), nowMs: 0 });
  round.on({ kind: 'message', message: hello(B, 0, true), nowMs: 0 });
  round.on({ kind: 'loaded', round: undefined, nowMs: 1 });
  const later = round.on({ kind: 'tick', nowMs: 1 + HELLO_MS });
  expect(kinds(later)).toEqual(['send hello', 'load']);
});

test('Round gives a state to who is behind where it never saw the root', () => {
  const opened = computing([A, A, B, B], 2);
  expect(kinds(hear(opened, hello(B, 1)))).toEqual(['save']);
});

test('Round forgets its root with the state that it leaves', () => {
  const opened = gathering();
  hear(opened, sum(B, 3, '(2+3)'));
  expect(kinds(hear(opened, savedBy(B, 3)))).toEqual(['load']);
  opened.round.on({ kind: 'loaded', round: 3, nowMs: 2 });
  expect(kinds(hear(opened, hello(B, 0)))).toEqual(['save']);
});

test('Round leaves it to the lowest that stands here to help up who is behind', () => {
  const b = threesome(B);
  hear(b, sum(A, 2, 'a'));
  hear(b, sum(C, 7, 'c'));
  expect(b.steps).toEqual(['(a+(b+c))']);
  expect(kinds(hear(b, hello(C, 0)))).toEqual(['send sum']); // A is behind, too
  hear(b, hello(A, 1));
  expect(hear(b, hello(C, 0))).toEqual([]);
});

test('Round gives a state where the lower one stands behind', () => {
  const b = threesome(B);
  hear(b, sum(A, 2, 'a'));
  hear(b, sum(C, 7, 'c'));
  expect(b.round.round).toBe(1);
  expect(kinds(hear(b, hello(C, 0, true)))).toEqual(['save']);
});

test('Round drops sums of rounds that are over', () => {
  const opened = gathering();
  hear(opened, sum(B, 3, '(2+3)'));
  expect(hear(opened, sum(B, 3, 'old'))).toEqual([]);
  expect(opened.steps).toEqual(['((0+1)+(2+3))']);
});

test('Round keeps of the next round one sum a node, the last it heard', () => {
  const opened = gathering();
  hear(opened, { ...sum(B, 6, 'bad', 1), state: 99 });
  hear(opened, sum(B, 7, '3', 1));
  hear(opened, sum(B, 6, '2', 1));
  const begun = hear(opened, sum(B, 3, '(2+3)'));
  const sums = [[2, 'own']] as const;
  opened.round.on({ kind: 'computed', attempt: attemptOf(begun), sums, nowMs: 2 });
  expect(opened.steps.at(-1)).toBe('(own+(2+3))');
});

test('Round that is done helps up who is not', () => {
  const opened = open(A, 1);
  opened.round.on({ kind: 'view', view: view([A, A, B, B]), nowMs: 0 });
  hear(opened, hello(B, 0, true));
  const begun = opened.round.on({ kind: 'loaded', round: 0, nowMs: 0 });
  const sums = [[2, 'own']] as const;
  opened.round.on({ kind: 'computed', attempt: attemptOf(begun), sums, nowMs: 0 });
  hear(opened, sum(B, 3, 'other'));
  expect(opened.round.mode).toBe('done');
  expect(hear(opened, hello(B, 0))).toMatchObject([{ message: { kind: 'sum', node: 1 } }]);
  expect(opened.round.on({ kind: 'tick', nowMs: 100 * HELLO_MS })).toEqual([]);
});
