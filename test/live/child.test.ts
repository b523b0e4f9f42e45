// The expendable child, with real processes: whatever happens inside, each call ends and the next one works.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { type Child, type ChildOptions, startChild } from '../../common/child/host.ts';
import { systemClock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';

const children: Child[] = [];
function start(over: Partial<ChildOptions> = {}): Child {
  const child = startChild({
    thread: new URL('./child/thread.ts', import.meta.url),
    threads: 2,
    memoryBytes: 2 ** 31,
    clock: systemClock,
    log: silentLog,
    ...over,
  });
  children.push(child);
  return child;
}
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.close()));
});
const deadlineMs = 60_000;

test('call() brings typed arrays there and back', async () => {
  const args = { rows: Float64Array.of(1, 2, 3), keys: BigInt64Array.of(7n) };
  expect(await start().call('echo', args, { deadlineMs })).toEqual(args);
});

test('call() keeps the code and the field errors of an error', async () => {
  const error = await start()
    .call('fail', undefined, { deadlineMs })
    .catch((e: unknown) => e);
  expect(error).toBeInstanceOf(GristmillError);
  expect(error).toMatchObject({ code: 'NONFINITE_LOSS', errors: [{ pointer: '/train' }] });
});

test('call() past its deadline ends with DEADLINE; its neighbour with CHILD_LOST, caused by that', async () => {
  const child = start();
  const before = await child.call('pid', undefined, { deadlineMs });
  const [stuck, neighbour] = await Promise.allSettled([
    child.call('spin', undefined, { deadlineMs: 300 }),
    child.call('sleep', 60_000, { deadlineMs }),
  ]);
  expect(stuck).toMatchObject({ reason: { code: 'DEADLINE' } });
  expect(neighbour).toMatchObject({ reason: { code: 'CHILD_LOST', cause: { code: 'DEADLINE' } } });
  expect(await child.call('pid', undefined, { deadlineMs })).not.toBe(before);
});

test('call() made while a killed child has not closed yet runs in its successor', async () => {
  const child = start();
  const lost: string[] = [];
  child.onLost((error) => lost.push(error.code));
  const before = await child.call<number>('pid', undefined, { deadlineMs });
  child.kill('CANCELLED', 'a test');
  const after = await child.call<number>('pid', undefined, { deadlineMs });
  expect(after).not.toBe(before);
  expect(lost).toEqual(['CANCELLED']);
});

test('call() into a crash ends with CHILD_LOST', async () => {
  const child = start();
  await expect(child.call('crash', undefined, { deadlineMs })).rejects.toMatchObject({
    code: 'CHILD_LOST',
  });
  expect(await child.call('echo', 1, { deadlineMs })).toBe(1);
});

test('call() that bloats ends with MEMORY', async () => {
  const child = start({ memoryBytes: 400 * 1024 * 1024 });
  await expect(child.call('bloat', undefined, { deadlineMs })).rejects.toMatchObject({
    code: 'MEMORY',
  });
  expect(await child.call('echo', 1, { deadlineMs })).toBe(1);
});

test('call() ends with CANCELLED when its signal aborts, before or during', async () => {
  const child = start();
  await expect(
    child.call('echo', 1, { deadlineMs, signal: AbortSignal.abort() }),
  ).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(child.pid).toBeUndefined();
  const controller = new AbortController();
  const call = child.call('sleep', 60_000, { deadlineMs, signal: controller.signal });
  setTimeout(() => controller.abort(), 500);
  await expect(call).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('call() with what cannot be cloned fails alone', async () => {
  const child = start();
  const neighbour = child.call('sleep', 500, { deadlineMs });
  await expect(child.call('echo', () => 1, { deadlineMs })).rejects.toThrow('could not be cloned');
  expect(await neighbour).toBe('slept');
});

test('call() ends when the child dies under a message that is on its way', async () => {
  const child = start();
  const before = await child.call<number>('pid', undefined, { deadlineMs });
  process.kill(before, 'SIGKILL');
  const big = Buffer.alloc(50_000_000);
  await expect(child.call('echo', big, { deadlineMs })).rejects.toMatchObject({
    code: 'CHILD_LOST',
  });
  expect(await child.call('pid', undefined, { deadlineMs })).not.toBe(before);
});

test('onCpu tells the CPU seconds of a call, shared fairly between neighbours', async () => {
  const child = start();
  await child.call('echo', 0, { deadlineMs });
  const seconds: number[] = [];
  const onCpu = (s: number): number => seconds.push(s);
  await Promise.all([
    child.call('burn', 300, { deadlineMs, onCpu }),
    child.call('burn', 300, { deadlineMs, onCpu }),
  ]);
  const sum = seconds.reduce((a, b) => a + b, 0);
  expect(sum).toBeGreaterThan(0.55);
});

test('a child that looks around finds no key of the store and no address of the queue', async () => {
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'the-key-of-the-store');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'its-name');
  vi.stubEnv('GRISTMILL_NATS', 'nats://me:the-key-of-the-queue@127.0.0.1:4222');
  vi.stubEnv('SOMEBODYS_TOKEN', 'another-key');
  onTestFinished(() => void vi.unstubAllEnvs());
  const child = start();
  const found = await child.call<Record<string, string>>('environ', undefined, { deadlineMs });
  expect(found.PATH).toBe(process.env.PATH);
  const system =
    process.platform === 'linux' ? await readFile(`/proc/${child.pid}/environ`, 'utf8') : '';
  for (const text of [JSON.stringify(found), system]) {
    expect(text).not.toMatch(/AWS_|GRISTMILL_NATS|TOKEN|-key/);
  }
});

test('post() reaches a resident module that is still loading; its runs keep error codes', async () => {
  const child = start({ resident: new URL('./child/resident.ts', import.meta.url) });
  const answers: unknown[] = [];
  child.onPost((message) => answers.push(message));
  child.post({ method: 'echo', args: 5 });
  await expect.poll(() => answers, { timeout: 20_000 }).toEqual([{ value: 5, threads: 2 }]);
  child.post({ method: 'fail' });
  await expect.poll(() => answers[1], { timeout: 20_000 }).toEqual({ code: 'NONFINITE_LOSS' });
});

test('close() fails what runs and leaves no process', async () => {
  const child = start();
  const pid = await child.call<number>('pid', undefined, { deadlineMs });
  const call = expect(child.call('spin', undefined, { deadlineMs })).rejects.toMatchObject({
    code: 'CANCELLED',
  });
  await child.close();
  await call;
  expect(isAlive(pid)).toBe(false);
});

test('a host killed by SIGKILL leaves no child behind, even one that computes for ever', async () => {
  const script = fileURLToPath(new URL('./child/host.ts', import.meta.url));
  const host = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = Number(await new Promise((resolve) => host.stdout.once('data', resolve)));
  expect(isAlive(pid)).toBe(true);
  host.kill('SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
