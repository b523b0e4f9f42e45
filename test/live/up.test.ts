// `gristmill up` with real processes: whoever is killed comes back, whatever is half dead is mended, and down leaves nobody.
// In: nats-server, a copy of the checkout, so that .gristmill lies in a folder of the test. Out: who runs, and what is said.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { identify } from '../../common/identity.ts';
import type { JobView } from '../../common/wire/view.ts';
import type { Noted } from '../../deploy/cluster/state.ts';
import { copyOfCheckout } from '../support/checkout.ts';
import { answer, lakeOf, tripsJob } from '../support/line.ts';
import { findMinio } from '../support/minio.ts';
import { findNats } from '../support/nats.ts';
import { tempFolder } from '../support/runner.ts';

describe.skipIf(!findNats())('with nats-server', () => {
  test('up --detach restarts a worker, a coordinator and NATS that are killed; down leaves no process', async () => {
    await using world = await makeWorld();
    expect((await world.run('up', '--detach', '--port=0', '--gateway-port=0')).code).toBe(0);
    const first = world.noted();
    expect(first.processes.map(({ name }) => name)).toEqual([
      'nats-server',
      'coordinator',
      'gateway',
      'worker 1',
    ]);
    for (const name of ['worker 1', 'nats-server', 'coordinator']) {
      const before = world.pidOf(name);
      process.kill(before, 'SIGKILL');
      await expect.poll(() => world.restartsOf(name), { timeout: 60_000 }).toBe(1);
      expect(world.pidOf(name)).not.toBe(before);
    }
    const log = readFileSync(join(first.logs, 'up.log'), 'utf8');
    expect(log).toMatch(/worker 1 has ended \(SIGKILL\); it is started again in 0\.5 s/);
    expect(log).toMatch(/worker 1 runs again \(process \d+, started again once\)/);
    await world.untilWorks();

    const processes = [...world.noted().processes, world.noted().supervisor!];
    const down = await world.run('down');
    expect(down).toMatchObject({ code: 0, out: expect.stringContaining('Stopped: ') });
    expect(processes.filter(({ pid }) => identify(pid))).toEqual([]);
    expect(existsSync(join(world.home, 'running.json'))).toBe(false);
  });

  test('up takes over what a supervisor that was killed has left, and starts what is missing', async () => {
    await using world = await makeWorld();
    expect((await world.run('up', '--detach', '--port=0', '--gateway-port=0')).code).toBe(0);
    const first = world.noted();
    const second = await world.run('up', '--detach');
    expect(second).toMatchObject({ code: 2, err: expect.stringContaining('one runs at') });

    process.kill(first.supervisor!.pid, 'SIGKILL');
    process.kill(world.pidOf('worker 1'), 'SIGKILL');
    await expect.poll(() => identify(first.supervisor!.pid)).toBeUndefined();
    const other = await world.run('up', '--detach', '--port=1');
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining('with --port 1') });
    const again = await world.run('up', '--detach');
    expect(again).toMatchObject({ code: 0, err: expect.stringContaining('taking over') });
    const now = world.noted();
    expect(now.coordinatorUrl).toBe(first.coordinatorUrl);
    for (const name of ['nats-server', 'coordinator', 'gateway']) {
      expect(now.processes.find((one) => one.name === name)).toMatchObject({
        pid: first.processes.find((one) => one.name === name)!.pid,
      });
    }
    process.kill(world.pidOf('coordinator'), 'SIGKILL'); // an adopted one is kept as well
    await expect.poll(() => world.restartsOf('coordinator'), { timeout: 60_000 }).toBe(1);
    await world.untilWorks();

    process.kill(now.supervisor!.pid, 'SIGKILL'); // down ends what nobody looks after, too
    const processes = world.noted().processes;
    expect((await world.run('down')).code).toBe(0);
    expect(processes.filter(({ pid }) => identify(pid))).toEqual([]);
  });

  test('every command finds the cluster of its folder, below it too; the foreground takes all along when it is killed', async () => {
    await using world = await makeWorld();
    const up = world.start('up', '--port=0', '--gateway-port=0');
    await expect
      .poll(() => existsSync(join(world.home, 'running.json')), { timeout: 90_000 })
      .toBe(true);
    const below = join(world.folder, 'deep', 'down');
    mkdirSync(below, { recursive: true });
    const { coordinatorUrl, processes, supervisor } = world.noted();
    const workers = await world.runIn(below, 'workers', '--json');
    expect(JSON.parse(workers.out).workers).toHaveLength(1);
    const away = await world.runIn(below, 'workers', '--coordinator=http://127.0.0.1:1');
    expect(away).toMatchObject({ code: 1, err: expect.stringContaining('(--coordinator)') });
    expect((await world.run('down')).err).toContain(`the cluster at ${coordinatorUrl}`);
    process.kill(supervisor!.pid, 'SIGKILL');
    await once(up, 'close');
    await expect
      .poll(() => processes.filter(({ pid }) => identify(pid)), { timeout: 20_000 })
      .toEqual([]);
    const dead = await world.runIn(below, 'workers');
    expect(dead).toMatchObject({
      code: 1,
      err: expect.stringMatching(/\((the default of GRISTMILL_COORDINATOR|.*running\.json)\)/),
    });
  });

  test('a job that trains under up ends, whoever is killed meanwhile, and with the store away for a while', async () => {
    await using world = await makeWorld();
    const lake = `--lake=${await lakeOf(6, 6_000)}`;
    const { code, err } = await world.run('up', '--detach', '--port=0', '--gateway-port=0', lake);
    expect(code, err).toBe(0);
    const training = await world.train(60); // five faults meet it in its training
    for (const names of [
      ['worker 1'],
      ['coordinator'],
      ['nats-server'],
      ['worker 1', 'coordinator', 'gateway', 'nats-server'],
    ])
      await training.without(() => world.killAll(names));
    const store = join(world.home, 'cluster', 'store');
    await training.without(async () => {
      renameSync(store, `${store} away`);
      await delay(3_000);
      expect(existsSync(store)).toBe(false); // nobody makes an empty one
      renameSync(`${store} away`, store);
    });
    expect(await training.ended()).toMatchObject({ state: 'succeeded', published: { version: 1 } });
  });

  test.skipIf(!findMinio())(
    'a job that trains under up --store minio ends though MinIO is killed, alone and with all others',
    async () => {
      await using world = await makeWorld();
      const lake = `--lake=${await lakeOf(6, 6_000)}`;
      await world.run('up', '--detach', '--port=0', '--gateway-port=0', '--store=minio', lake);
      const training = await world.train(30);
      await training.without(() => world.killAll(['minio']));
      await training.without(() =>
        world.killAll(['minio', 'nats-server', 'worker 1', 'coordinator', 'gateway']),
      );
      expect(await training.ended()).toMatchObject({
        state: 'succeeded',
        published: { version: 1 },
      });
    },
  );
});

async function makeWorld() {
  const folder = tempFolder();
  const program = copyOfCheckout(folder);
  const home = join(folder, '.gristmill');
  const start = (...words: string[]) => startIn(folder, words);
  function startIn(cwd: string, words: readonly string[]): ChildProcess {
    const { PATH, HOME } = process.env;
    return spawn(process.execPath, [join(program, 'cli/main.ts'), ...words], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH, HOME, NATS_SERVER: findNats(), MINIO: findMinio() },
    });
  }
  async function runIn(cwd: string, ...words: string[]) {
    const child = startIn(cwd, words);
    const said = { out: '', err: '' };
    child.stdout!.on('data', (bytes) => {
      said.out += bytes;
    });
    child.stderr!.on('data', (bytes) => {
      said.err += bytes;
    });
    const [code] = (await once(child, 'close')) as [number];
    return { code, ...said };
  }
  const noted = (): Noted =>
    JSON.parse(readFileSync(join(home, 'cluster', 'running.json'), 'utf8')) as Noted;
  const of = (name: string) => noted().processes.find((one) => one.name === name);
  const world = {
    folder,
    home,
    start,
    runIn,
    run: (...words: string[]) => runIn(folder, ...words),
    noted,
    pidOf: (name: string) => of(name)!.pid,
    restartsOf: (name: string) => of(name)?.restarts,
    /** Each is there again, as another process, when it resolves. */
    async killAll(names: readonly string[]): Promise<void> {
      const restarts = names.map((name) => world.restartsOf(name)!);
      for (const name of names) process.kill(world.pidOf(name), 'SIGKILL');
      for (const [i, name] of names.entries())
        await expect
          .poll(() => world.restartsOf(name), { timeout: 120_000 })
          .toBeGreaterThan(restarts[i]!);
    },
    /** A job that has begun to train. */
    async train(epochs: number) {
      const { coordinatorUrl } = noted();
      const train = { ...tripsJob.train, epochs };
      const { id } = await answer<JobView>(`${coordinatorUrl}/v1/jobs`, { ...tripsJob, train });
      const look = () => answer<JobView>(`${coordinatorUrl}/v1/jobs/${id}`).catch(() => undefined);
      const until = async (seen: (view: JobView) => boolean): Promise<JobView> => {
        for (const deadline = performance.now() + 240_000; ; await delay(100)) {
          const view = await look();
          if (view && seen(view)) return view;
          if (performance.now() > deadline) throw new Error(`not seen: ${JSON.stringify(view)}`);
        }
      };
      const roundOf = (view: JobView): number => view.training?.round ?? 0;
      await until((view) => roundOf(view) > 0);
      return {
        /** Does something to it in its training; it has gone on when this resolves. */
        async without(act: () => Promise<void>): Promise<void> {
          const before = await until((view) => roundOf(view) > 0 || view.state !== 'running');
          expect(before).toMatchObject({ state: 'running', stages: [{}, {}, { stage: 'train' }] });
          await act();
          await until((view) => roundOf(view) > roundOf(before) || view.state !== 'running');
        },
        ended: () => until((view) => view.state !== 'running'),
      };
    },
    async untilWorks(): Promise<void> {
      const { coordinatorUrl } = noted();
      const ask = (path: string) =>
        fetch(coordinatorUrl + path).then(
          (answer) => answer.json() as Promise<{ status?: string; workers?: readonly unknown[] }>,
          () => undefined,
        );
      await expect
        .poll(async () => (await ask('/readyz'))?.status, { timeout: 30_000 })
        .toBe('ready');
      await expect
        .poll(async () => (await ask('/v1/workers'))?.workers?.length, { timeout: 30_000 })
        .toBe(1);
    },
    async [Symbol.asyncDispose]() {
      await runIn(folder, 'down');
    },
  };
  onTestFinished(() => {
    if (!existsSync(join(home, 'cluster', 'running.json'))) return;
    for (const { pid } of noted().processes) if (identify(pid)) process.kill(pid, 'SIGKILL');
  });
  return world;
}
