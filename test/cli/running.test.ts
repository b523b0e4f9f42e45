// Where the command line finds coordinator and gateway: flag, setting, the cluster that runs here, default.
// In: folders with files that `gristmill up` writes. Out: addresses, each with where it came from.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readAddresses } from '../../cli/config.ts';
import { findRunning } from '../../cli/running.ts';
import { identify } from '../../common/identity.ts';
import { tempFolder } from '../support/runner.ts';

const own = identify(process.pid)!;
const nobody = { ...own, pid: 2 ** 22 + 1 }; // above the highest process id

function note(folder: string, change: object = {}): void {
  mkdirSync(join(folder, '.gristmill'), { recursive: true });
  const pointer = {
    formatVersion: 2,
    coordinatorUrl: 'http://127.0.0.1:18080',
    gatewayUrl: 'http://127.0.0.1:18090',
    processes: [nobody, own],
    ...change,
  };
  writeFileSync(join(folder, '.gristmill', 'running.json'), JSON.stringify(pointer));
}

test('findRunning() finds the cluster of a folder there and below it, and says by which file', () => {
  const folder = tempFolder();
  const below = join(folder, 'a', 'b');
  mkdirSync(below, { recursive: true });
  expect(findRunning(below, folder)).toBeUndefined();
  note(folder);
  const there = { coordinator: 'http://127.0.0.1:18080', gateway: 'http://127.0.0.1:18090' };
  expect(findRunning(folder, '/')).toEqual({ ...there, path: '.gristmill/running.json' });
  expect(findRunning(below, '/')).toEqual({ ...there, path: '../../.gristmill/running.json' });
  expect(findRunning('/', folder)).toMatchObject(there); // a checkout's, from anywhere
});

test.each([
  ['of a cluster that was killed', { processes: [nobody] }],
  ['whose process id a younger process has', { processes: [{ ...own, since: '1' }] }],
  ['whose process id another program has', { processes: [{ ...own, command: 'sleep 60' }] }],
  ['that tells ids alone', { processes: [{ pid: process.pid }, process.pid, null] }],
  ['of nobody', { processes: [] }],
  ['of another kind', { coordinatorUrl: 7 }],
])('findRunning() passes over a file %s', (_what, change) => {
  const folder = tempFolder();
  note(folder, change);
  expect(findRunning(folder, folder)).toBeUndefined();
  writeFileSync(join(folder, '.gristmill', 'running.json'), '{');
  expect(findRunning(folder, folder)).toBeUndefined();
});

test('readAddresses() takes the flag, then the setting, then what runs here, then the default', () => {
  const here = {
    coordinator: 'http://h:1',
    gateway: 'http://h:2/',
    path: '.gristmill/running.json',
  };
  const env = { GRISTMILL_COORDINATOR: 'http://e:1' };
  const coordinatorOf = (...of: Parameters<typeof readAddresses>) =>
    readAddresses(...of).coordinator;
  expect(coordinatorOf(env, { coordinator: 'http://f:1' }, here)).toEqual({
    url: 'http://f:1',
    from: '--coordinator',
  });
  expect(coordinatorOf(env, {}, here)).toEqual({
    url: 'http://e:1',
    from: 'GRISTMILL_COORDINATOR',
  });
  expect(readAddresses({}, {}, here)).toEqual({
    coordinator: { url: 'http://h:1', from: '.gristmill/running.json' },
    gateway: { url: 'http://h:2', from: '.gristmill/running.json' },
  });
  expect(coordinatorOf({ GRISTMILL_COORDINATOR: '' }, {}, undefined)).toEqual({
    url: 'http://127.0.0.1:8080',
    from: 'the default of GRISTMILL_COORDINATOR',
  });
  expect(() => readAddresses({}, { gateway: 'here' }, undefined)).toThrow(/--gateway "here"/);
});
