// Processes of a cluster are ended with all that they forked, whoever dies first.
// In: shells and Node processes that fork. Out: who is alive. Why: a quickstart that fails must leave nothing behind.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { killGroup, startGuard, startProcess } from '../../deploy/cluster/process.ts';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return;
    await delay(20);
  }
  throw new Error('the condition did not come true within 10 s');
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-process-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A shell that forks a sleeper, says its process id, and ends on SIGTERM without ending the sleeper. */
const forking = (trap: string) => [
  'sh',
  '-c',
  `sleep 60 & echo $!; trap '${trap}' TERM; wait; wait`,
];

const readPid = async (path: string): Promise<number> =>
  Number((await readFile(path, 'utf8')).trim());

test.each([
  ['ends by itself', 'exit 3'],
  ['ignores SIGTERM', ''],
])('stop() ends a process that %s, with what it forked', async (_how, trap) => {
  await inFolder(async (folder) => {
    const logPath = join(folder, 'log');
    const running = startProcess({
      name: 'sleeper',
      command: forking(trap),
      env: process.env,
      logPath,
      cwd: folder,
    });
    await until(async () => (await readPid(logPath)) > 0);
    const forked = await readPid(logPath);
    await running.stop(300);
    expect(running.isAlive).toBe(false);
    await until(() => !isAlive(forked));
    expect(await running.ended).toBe(trap ? 'exit code 3' : 'SIGKILL');
  });
});

test('startProcess() tells how a process ended and what it said last', async () => {
  await inFolder(async (folder) => {
    const running = startProcess({
      name: 'speaker',
      command: ['sh', '-c', 'echo one; echo two >&2; exit 7'],
      env: process.env,
      logPath: join(folder, 'deep/log'),
      cwd: folder,
    });
    expect(await running.ended).toBe('exit code 7');
    expect(running.tail(1)).toBe('two');
    const absent = startProcess({
      name: 'absent',
      command: ['no-such-command'],
      env: process.env,
      logPath: join(folder, 'log'),
      cwd: folder,
    });
    expect(await absent.ended).toContain('ENOENT');
  });
});

test('a guard ends the groups of a process that was killed, and leaves those that were released', async () => {
  await inFolder(async (folder) => {
    const source = pathToFileURL(join(import.meta.dirname, '../../deploy/cluster/process.ts')).href;
    const starter = join(folder, 'starter.ts');
    await writeFile(
      starter,
      `import { startGuard, startProcess } from ${JSON.stringify(source)};
       const guard = startGuard();
       const options = { env: process.env, cwd: ${JSON.stringify(folder)}, guard };
       const one = startProcess({ ...options, name: 'one', command: ['sleep', '60'], logPath: ${JSON.stringify(join(folder, 'one'))} });
       console.log(one.pid);
       setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [starter], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
    });
    await until(() => text.includes('\n'));
    const started = Number(text);
    expect(isAlive(started)).toBe(true);
    child.kill('SIGKILL');
    await until(() => !isAlive(started));

    const guard = startGuard();
    const kept = startProcess({
      name: 'kept',
      command: ['sleep', '60'],
      env: process.env,
      logPath: join(folder, 'kept'),
      cwd: folder,
      guard,
    });
    await guard.release();
    expect(kept.isAlive).toBe(true);
    expect(killGroup(kept.pid)).toBe(true);
    await kept.ended;
  });
});
