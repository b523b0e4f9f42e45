import { constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../common/clock.ts';
import { LIMITS } from '../../../common/limits.ts';
import { Calls } from '../../../common/store/file-calls.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gristmill-calls-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Each look at the clock takes `stepMs`. */
const steppingClock = (): Clock & { stepMs: number; nowMs: number } => ({
  ...systemClock,
  stepMs: 0,
  nowMs: 1,
  monotonicMs() {
    this.nowMs += this.stepMs;
    return this.nowMs;
  },
});

const isAtOnce = (calls: Calls): boolean => {
  const answer = calls.needPath(folder);
  return !(answer instanceof Promise);
};

test('Calls are made at once on a local disk, and through threads on any other', () => {
  expect(isAtOnce(new Calls(systemClock, true))).toBe(true);
  expect(isAtOnce(new Calls(systemClock, false))).toBe(false);
});

test('Calls go through threads while the disk is slow, and are tried at once again later', () => {
  const clock = steppingClock();
  const calls = new Calls(clock, true);
  clock.stepMs = 50;
  let count = 0;
  while (isAtOnce(calls) && count < 100) count += 1;
  expect(count).toBeLessThan(100);
  clock.stepMs = 0;
  expect(isAtOnce(calls)).toBe(false);
  clock.nowMs += LIMITS.fileSlowMs;
  expect(isAtOnce(calls)).toBe(true);
});

test.each([true, false])('Calls give the same results and errors, local: %s', async (local) => {
  const calls = new Calls(systemClock, local);
  const path = join(folder, `file-${local}`);
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR;
  const fd = await calls.open(path, flags);
  const bytes = new TextEncoder().encode('grist');
  expect(await calls.write(fd, bytes)).toBe(5);
  await calls.flush(fd);
  const read = new Uint8Array(LIMITS.fileQuickBytes + 1);
  expect(await calls.read(fd, read, 1)).toBe(4);
  expect(await calls.read(fd, read.subarray(0, 2), 3)).toBe(2);
  expect((await calls.stat(fd)).size).toBe(5n);
  calls.close(fd);
  await calls.mkdir(`${path}.d`);
  await calls.link(path, `${path}.d/link`);
  expect((await calls.lstatPath(`${path}.d/link`)).nlink).toBe(2);
  const taken = { code: 'EEXIST' };
  const act = async (run: () => unknown): Promise<unknown> => run();
  await expect(act(() => calls.open(path, flags))).rejects.toMatchObject(taken);
  await expect(act(() => calls.link(path, `${path}.d/link`))).rejects.toMatchObject(taken);
  await expect(act(() => calls.mkdir(`${path}.d`))).rejects.toMatchObject(taken);
  await calls.unlink(path);
  await expect(act(() => calls.needPath(path))).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(act(() => calls.statPath(path))).rejects.toMatchObject({ code: 'ENOENT' });
});
