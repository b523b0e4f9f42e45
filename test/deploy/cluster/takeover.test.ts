// What a former run has left is taken over only as what it is.
// In: notes of a cluster, what is asked. Out: nothing, or the flag that says otherwise.
import { expect, test } from 'vitest';
import { identify, isAlive } from '../../../common/identity.ts';
import type { Noted } from '../../../deploy/cluster/state.ts';
import { livingOf, workersOf } from '../../../deploy/cluster/state.ts';
import { checkTakeover, portsFor } from '../../../deploy/cluster/takeover.ts';

const me = identify(process.pid)!;
const noted: Noted = {
  formatVersion: 1,
  coordinatorUrl: 'http://127.0.0.1:18080',
  gatewayUrl: 'http://127.0.0.1:18090',
  storeUri: 'file:///store',
  lakeUri: 'file:///lake',
  logs: '/logs',
  ports: { coordinator: 18080, gateway: 18090, nats: 1, monitor: 2, minio: 3 },
  isMinio: false,
  isKept: true,
  supervisor: null,
  processes: [
    { ...me, name: 'coordinator', restarts: 0 },
    { ...me, name: 'worker 1', restarts: 0, since: 'yesterday' }, // a stranger has its number now
  ],
  down: ['worker 2'],
};
const nothing = {
  lake: undefined,
  store: undefined,
  workers: undefined,
  ports: { coordinator: undefined, gateway: undefined },
};

test('identify() tells a process from the one that has its number later, and from none', () => {
  expect(me).toMatchObject({ pid: process.pid, command: expect.stringContaining('node') });
  expect(isAlive(me)).toBe(true);
  expect(isAlive({ ...me, since: `${me.since}0` })).toBe(false);
  expect(isAlive({ ...me, command: 'another' })).toBe(false);
  expect([identify(2 ** 22 + 1), identify(-1), identify(Number.NaN)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('livingOf() leaves out strangers; workersOf() counts the dead', () => {
  expect(livingOf(noted).map(({ name }) => name)).toEqual(['coordinator']);
  expect(workersOf(noted)).toBe(2);
});

test.each([
  ['nothing', {}],
  ['the same port', { ports: { coordinator: 18080, gateway: undefined } }],
  ['any port', { ports: { coordinator: 0, gateway: 0 } }],
  ['the same places', { lake: 'file:///lake', store: { uri: 'file:///store' } }],
  ['its own folder', { store: 'folder' as const }],
  ['as many workers', { workers: 2 }],
])('checkTakeover() agrees to %s', (_what, asked) => {
  expect(() => checkTakeover(noted, { ...nothing, ...asked }, 'gristmill')).not.toThrow();
});

test.each([
  ['--port 1', { ports: { coordinator: 1, gateway: undefined } }],
  ['--gateway-port 1', { ports: { coordinator: undefined, gateway: 1 } }],
  ['--workers 3', { workers: 3 }],
  ['--lake s3://x/y', { lake: 's3://x/y' }],
  ['--store s3://x/y', { store: { uri: 's3://x/y' } }],
  ['--store minio', { store: 'minio' as const }],
])('checkTakeover() refuses %s, and says what there is and how to end it', (words, asked) => {
  expect(() => checkTakeover(noted, { ...nothing, ...asked }, 'gristmill')).toThrow(
    new RegExp(`with ${words}: it has .*"gristmill down"`),
  );
});

test('portsFor() leaves a process that lives its port, though it is taken', async () => {
  const asked = { coordinator: undefined, gateway: undefined };
  expect(await portsFor(asked, noted)).toEqual({ coordinator: 18080, gateway: 18090 });
  const free = await portsFor({ coordinator: 0, gateway: 0 }, undefined);
  expect(free.coordinator).toBeGreaterThan(1023);
  expect(free.gateway).not.toBe(free.coordinator);
});
