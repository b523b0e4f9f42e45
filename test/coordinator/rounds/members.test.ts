// Who owns which lanes, event by event: joining, silence, failures, other coordinators, and every limit of time.
import { expect, test } from 'vitest';
import type { RunId, WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { Heartbeat, RunStatus } from '../../../common/wire/event.ts';
import { Members, type MembersAction } from '../../../coordinator/rounds/members.ts';

const RUN = 'run' as RunId;
const [A, B, C, D] = ['w-a', 'w-b', 'w-c', 'w-d'] as [WorkerId, WorkerId, WorkerId, WorkerId];

const open = (recorded?: { generation: number; laneOwner: WorkerId[] }): Members =>
  new Members({
    run: RUN,
    numerics: 'p',
    lanes: 4,
    recorded: recorded && { formatVersion: 1, ...recorded },
    checkpoint: undefined,
    nowMs: 0,
  });

const beat = (
  worker: WorkerId,
  status?: Partial<RunStatus>,
  other: Partial<Heartbeat> = {},
): Heartbeat => ({
  worker,
  host: 'h',
  pid: 1,
  numerics: 'p',
  device: 'cpu',
  threads: 1,
  threadsFree: 1,
  memoryBytes: 1,
  tasks: [],
  runs: status
    ? [
        {
          run: RUN,
          generation: 0,
          round: 0,
          lanesLoaded: [],
          phase: 'loading',
          rows: 0,
          loss: 0,
          ...status,
        },
      ]
    : [],
  draining: false,
  startedAt: 0,
  ...other,
});

const hear = (members: Members, heartbeat: Heartbeat, nowMs: number): MembersAction[] =>
  members.on({ kind: 'beat', heartbeat, nowMs });
const recorded = (actions: readonly MembersAction[]): readonly WorkerId[] | undefined => {
  const found = actions.find((action) => action.kind === 'record');
  return found?.kind === 'record' ? found.record.laneOwner : undefined;
};
function accept(members: Members, actions: readonly MembersAction[], nowMs: number): void {
  const action = actions.find((each) => each.kind === 'record');
  if (action?.kind !== 'record') throw new Error('nothing was recorded');
  members.on({ kind: 'recorded', record: action.record, nowMs });
}

/** One worker that owns everything. */
function running(): Members {
  const members = open();
  hear(members, beat(A), 0);
  accept(members, hear(members, beat(A, { lanesLoaded: [0, 1, 2, 3] }), 100), 100);
  return members;
}

test('Members has a worker load its lanes before it owns them', () => {
  const members = open();
  expect(recorded(hear(members, beat(A), 0))).toBeUndefined();
  expect(members.view().joining).toEqual([{ worker: A, lanes: [0, 1, 2, 3] }]);
  expect(recorded(hear(members, beat(A, { lanesLoaded: [0, 1] }), 50))).toBeUndefined();
  expect(recorded(hear(members, beat(A, { lanesLoaded: [0, 1, 2, 3] }), 100))).toEqual([
    A,
    A,
    A,
    A,
  ]);
});

test('Members publishes who joins at once', () => {
  expect(hear(open(), beat(A), 0).map(({ kind }) => kind)).toEqual(['publish']);
});

test('Members does not wait for ever for a worker that gets no rows', () => {
  const members = open();
  let atMs: number | undefined;
  for (let nowMs = 0; nowMs < 60_000 && atMs === undefined; nowMs += 1000) {
    const beats = [beat(B), beat(A, { lanesLoaded: [0, 1] })];
    const owner = recorded(beats.flatMap((heartbeat) => hear(members, heartbeat, nowMs)));
    if (!owner) continue;
    expect(owner).toEqual([A, A, A, A]);
    atMs = nowMs;
  }
  expect(atMs).toBe(LIMITS.joinPatienceMs);
});

test('Members lets others go on while a joiner loads, then gives it lanes', () => {
  const members = running();
  expect(recorded(hear(members, beat(B), 200))).toBeUndefined();
  expect(members.view()).toMatchObject({ generation: 1, joining: [{ worker: B, lanes: [2, 3] }] });
  expect(recorded(hear(members, beat(B, { lanesLoaded: [2, 3] }), 300))).toEqual([A, A, B, B]);
});

test.each([
  ['silent', () => beat(B, { lanesLoaded: [2, 3] }), LIMITS.heartbeatSilentMs + 400],
  ['draining', () => beat(A, {}, { draining: true }), 400],
  ['failed', () => beat(A, { phase: 'failed', error: { code: 'MEMORY', message: 'm' } }), 400],
] as const)('Members gives the lanes of a %s worker away', (_, heartbeat, nowMs) => {
  const members = running();
  hear(members, beat(B), 200);
  accept(members, hear(members, beat(B, { lanesLoaded: [2, 3] }), 300), 300);
  expect(recorded(hear(members, heartbeat(), nowMs))).toEqual([B, B, B, B]);
});

test('Members keeps the last generation while nobody is there', () => {
  const members = running();
  const later = LIMITS.heartbeatSilentMs + 1000;
  expect(recorded(members.on({ kind: 'tick', nowMs: later }))).toBeUndefined();
  expect(members.generation).toBe(1);
});

test('Members goes on with what the journal holds, if its owners are heard', () => {
  const members = open({ generation: 7, laneOwner: [A, A, B, B] });
  expect(recorded(members.on({ kind: 'tick', nowMs: 1000 }))).toBeUndefined();
  hear(members, beat(A, { generation: 7 }), 1000);
  expect(members.view()).toMatchObject({ generation: 7, joining: [], ended: false });
  expect(members.view(true).ended).toBe(true);
  hear(members, beat(A, { generation: 7 }), LIMITS.heartbeatSilentMs - 1);
  const late = members.on({ kind: 'tick', nowMs: LIMITS.heartbeatSilentMs + 1 });
  expect(recorded(late)).toEqual([A, A, A, A]);
});

test('Members takes over a generation that another coordinator recorded', () => {
  const members = running();
  hear(members, beat(B), 200);
  hear(members, beat(B, { lanesLoaded: [2, 3] }), 300);
  const record = { formatVersion: 1 as const, generation: 2, laneOwner: [B, B, A, A] };
  members.on({ kind: 'recorded', record, nowMs: 400 });
  expect(members.laneOwner).toEqual([B, B, A, A]);
});

test('Members reads the journal when a worker is in a generation it does not know', () => {
  expect(hear(running(), beat(A, { generation: 3 }), 200)).toEqual([{ kind: 'read' }]);
});

test('Members ends the run on an error that every worker would have', () => {
  const error = { code: 'NONFINITE_LOSS', message: 'loss NaN' };
  expect(hear(running(), beat(A, { phase: 'failed', error }), 200)).toContainEqual({
    kind: 'fail',
    ...error,
  });
});

test('Members leaves out workers of another numerics, and those that train another run', () => {
  const members = open();
  hear(members, beat(A, undefined, { numerics: 'q' }), 0);
  hear(members, beat(B, { run: 'other', phase: 'running' }), 0);
  expect(members.view().joining).toEqual([]);
});

/** A and B own two lanes each, both heard at 300. */
function pair(): Members {
  const members = running();
  hear(members, beat(B), 200);
  accept(members, hear(members, beat(B, { lanesLoaded: [2, 3] }), 300), 300);
  hear(members, beat(A), 300);
  return members;
}

test.each([
  [LIMITS.heartbeatSilentMs - 1, undefined],
  [LIMITS.heartbeatSilentMs, [A, A, A, A]],
])('Members takes a worker for lost after a silence of %i ms or not', (silentMs, owners) => {
  const members = pair();
  hear(members, beat(A), 1000);
  expect(recorded(members.on({ kind: 'tick', nowMs: 300 + silentMs }))).toEqual(owners);
});

test('Members begins at once when all that join are ready', () => {
  const members = open();
  hear(members, beat(A), 0);
  hear(members, beat(B), 0);
  expect(recorded(hear(members, beat(A, { lanesLoaded: [0, 1] }), 10))).toBeUndefined();
  expect(recorded(hear(members, beat(B, { lanesLoaded: [2, 3] }), 20))).toEqual([A, A, B, B]);
});

test('Members waits from when somebody was ready, anew after nobody was', () => {
  const members = open();
  for (const worker of [A, B]) hear(members, beat(worker), 0);
  const alive = (nowMs: number, lanesLoaded: number[]): readonly WorkerId[] | undefined => {
    const beats = [beat(A, { lanesLoaded }), beat(B)];
    return recorded(beats.flatMap((heartbeat) => hear(members, heartbeat, nowMs)));
  };
  for (let nowMs = 1000; nowMs <= 9000; nowMs += 1000) expect(alive(nowMs, [0, 1])).toBeUndefined();
  expect(alive(10_000, [])).toBeUndefined();
  const again = 11_000;
  for (let nowMs = again; nowMs < again + LIMITS.joinPatienceMs; nowMs += 1000) {
    expect(alive(nowMs, [0, 1])).toBeUndefined();
  }
  expect(alive(again + LIMITS.joinPatienceMs, [0, 1])).toEqual([A, A, A, A]);
});

test('Members decides nothing else while a generation is being recorded', () => {
  const members = open();
  hear(members, beat(A), 0);
  const asked = hear(members, beat(A, { lanesLoaded: [0, 1, 2, 3] }), 100);
  expect(asked.map(({ kind }) => kind)).toEqual(['record']);
  expect(recorded(hear(members, beat(A, { lanesLoaded: [0, 1, 2, 3] }), 200))).toBeUndefined();
  expect(hear(members, beat(A, { generation: 9 }), 300)).not.toContainEqual({ kind: 'read' });
  expect(members.generation).toBe(0);
  accept(members, asked, 400);
  expect(members.generation).toBe(1);
});

test('Members takes no generation that is not newer', () => {
  const members = pair();
  for (const generation of [1, 2]) {
    const record = { formatVersion: 1 as const, generation, laneOwner: [B, B, B, B] };
    expect(members.on({ kind: 'recorded', record, nowMs: 400 })).toEqual([]);
  }
  expect(members.laneOwner).toEqual([A, A, B, B]);
  expect(hear(members, beat(A, { generation: 2 }), 500)).not.toContainEqual({ kind: 'read' });
});

test('Members keeps the newest checkpoint', () => {
  const members = open();
  const at = (round: number, key: string): void => {
    const blob = { key, sha256: 'd' as never, bytes: 1 };
    expect(members.on({ kind: 'checkpoint', checkpoint: { round, blob } })).toEqual([]);
  };
  const keys = [
    [0, 'a'],
    [0, 'b'],
    [5, 'c'],
    [4, 'd'],
  ].map(([round, key]) => {
    at(round as number, key as string);
    return members.view().checkpoint?.blob.key;
  });
  expect(keys).toEqual(['a', 'a', 'c', 'c']);
});

const memory = { code: 'MEMORY', message: 'm' };
const failed = (worker: WorkerId): Heartbeat => beat(worker, { phase: 'failed', error: memory });

test('Members goes on after the bad luck of one worker, and ends where all have it', () => {
  const members = pair();
  const first = hear(members, failed(A), 400);
  expect(first).not.toContainEqual(expect.objectContaining({ kind: 'fail' }));
  accept(members, first, 400);
  expect(hear(members, failed(B), 500)).toContainEqual({ kind: 'fail', ...memory });
});

test('Members counts neither the silent nor those of another numerics when it asks whether all failed', () => {
  const members = pair();
  hear(members, beat(C, undefined, { numerics: 'q' }), 400);
  const late = 300 + LIMITS.heartbeatSilentMs; // B was heard at 300
  const answers = hear(members, failed(A), late);
  expect(answers).toContainEqual({ kind: 'fail', ...memory });
});

test.each([
  ['running', []],
  ['loading', []],
  ['done', [{ worker: B, lanes: [0, 1, 2, 3] }]],
  ['failed', [{ worker: B, lanes: [0, 1, 2, 3] }]],
] as const)('Members has a worker whose other run is %s join: %j', (phase, joining) => {
  const members = open();
  hear(members, beat(B, { run: 'b'.repeat(64) as RunId, phase }), 0);
  expect(members.view().joining).toEqual(joining);
});

test('Members gives a joiner with more threads more lanes', () => {
  const members = open();
  hear(members, beat(A, undefined, { threads: 3 }), 0);
  hear(members, beat(B), 0);
  expect(members.view().joining).toEqual([
    { worker: A, lanes: expect.objectContaining({ length: 3 }) },
    { worker: B, lanes: expect.objectContaining({ length: 1 }) },
  ]);
});

test.each([
  [LIMITS.heartbeatSilentMs - 1, undefined],
  [LIMITS.heartbeatSilentMs, [A, A, A, A]],
])('Members that took a run over waits %i ms for an owner or not', (nowMs, owners) => {
  const members = open({ generation: 7, laneOwner: [A, A, B, B] });
  hear(members, beat(A, { generation: 7 }), nowMs - 1);
  expect(recorded(members.on({ kind: 'tick', nowMs }))).toEqual(owners);
});

test('Members leaves an owner that it has not heard yet its share when another joins', () => {
  const members = open({ generation: 7, laneOwner: [A, A, B, B] });
  hear(members, beat(A, { generation: 7 }), 100);
  // and who would have no lanes takes no part
  for (const nowMs of [200, 300]) expect(hear(members, beat(C), nowMs)).toEqual([]);
  expect(members.view().joining).toEqual([]); // four lanes for three: nobody may have more than two, and none is free
});

test('Members lists who joins in one order, whoever was heard first', () => {
  const views = [
    [A, B, C, D],
    [D, C, B, A],
    [B, D, A, C],
  ].map((heard) => {
    const members = open();
    for (const worker of heard) hear(members, beat(worker), 0);
    return members.view().joining.map(({ worker }) => worker);
  });
  for (const view of views) expect(view).toEqual([A, B, C, D]);
});

test('Members takes no lane from an owner that another may keep', () => {
  const members = open({ generation: 7, laneOwner: [B, B, B, B] });
  hear(members, beat(B, { generation: 7 }), 100);
  hear(members, beat(A), 200);
  // A comes first by name; dealt without a look at who owns what, it would be given 0 and 1
  expect(members.view().joining).toEqual([{ worker: A, lanes: [2, 3] }]);
  expect(recorded(hear(members, beat(A, { lanesLoaded: [2, 3] }), 300))).toEqual([B, B, A, A]);
});

test('Members that began late waits for an owner from then on', () => {
  const members = new Members({
    run: RUN,
    numerics: 'p',
    lanes: 4,
    recorded: { formatVersion: 1, generation: 7, laneOwner: [A, A, B, B] },
    checkpoint: undefined,
    nowMs: 1_000_000,
  });
  hear(members, beat(A, { generation: 7 }), 1_000_001);
  const last = 1_000_000 + LIMITS.heartbeatSilentMs;
  hear(members, beat(A, { generation: 7 }), last - 2);
  expect(recorded(members.on({ kind: 'tick', nowMs: last - 1 }))).toBeUndefined();
  expect(recorded(members.on({ kind: 'tick', nowMs: last }))).toEqual([A, A, A, A]);
});

test('Members gives the lanes of who is gone by the threads of who stays', () => {
  const members = open({ generation: 7, laneOwner: [A, B, D, D] });
  hear(members, beat(A, { generation: 7 }, { threads: 3 }), 100);
  hear(members, beat(B, { generation: 7 }), 100);
  hear(members, beat(D, { generation: 7 }), 100);
  const left = recorded(hear(members, beat(D, { generation: 7 }, { draining: true }), 200));
  expect(left?.filter((owner) => owner === A)).toHaveLength(3);
});

test.each([
  ['that would come anywhere', 'NONFINITE_LOSS'],
  ['that this program does not know', 'NEWER_THAN_THIS'],
])('Members ends the run on one error %s, though others are well', (_, code) => {
  const error = { code, message: 'm' };
  expect(hear(pair(), beat(B, { phase: 'failed', error }), 400)).toContainEqual({
    kind: 'fail',
    ...error,
  });
});
