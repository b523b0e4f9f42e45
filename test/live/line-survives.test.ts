// What the line must survive: real processes, killed, paused, cut off, and started again.
// In: faults at named moments. Out: in each, the same bytes as an undisturbed run, every row counted once,
// and a gateway that answered all through.
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import type { JobView } from '../../common/wire/view.ts';
import { answer, fingerprint, type Line, startLine, untilAnswers } from '../support/line.ts';

/** What an undisturbed run of one worker gives; every disturbed one is held against it. */
let undisturbed: Record<string, unknown>;

beforeAll(async () => {
  await using line = await startLine({ workers: 1 });
  undisturbed = await fingerprint(line.store, await line.finish(await line.submit()));
}, 180_000);

async function survives(line: Line, disturb: (job: string) => Promise<void>): Promise<JobView> {
  const job = await line.submit();
  const [view] = await Promise.all([line.finish(job), disturb(job)]);
  expect(view).toMatchObject({ state: 'succeeded', error: null });
  expect(await fingerprint(line.store, view)).toEqual(undisturbed);
  return view;
}

const isIn =
  (stage: string) =>
  (view: JobView): boolean =>
    view.stages.some((each) => each.stage === stage);
const isPreparing = isIn('prepare');

test('three workers give the bytes of one', async () => {
  await using line = await startLine({ workers: 3 });
  await survives(line, async () => {});
});

test('a worker killed (-9) in mid-task, another in mid-epoch, one joining late', async () => {
  await using line = await startLine({ workers: 3 });
  await survives(line, async (job) => {
    await line.until(job, isPreparing);
    await line.kill('worker1');
    await line.untilSaved(job);
    await line.kill('worker2');
    line.start('worker4', 'worker');
  });
});

test('every worker killed in mid-epoch: the last checkpoint replays', async () => {
  await using line = await startLine({ workers: 2 });
  await survives(line, async (job) => {
    await line.untilSaved(job);
    await Promise.all([line.kill('worker1'), line.kill('worker2')]);
    line.start('worker3', 'worker');
  });
});

test('the engines killed under a worker, in mid-task and in mid-round', async () => {
  await using line = await startLine({ workers: 2 });
  const killEngines = (worker: string): void => {
    for (const pid of line.childrenOf(worker)) process.kill(pid, 'SIGKILL');
  };
  await survives(line, async (job) => {
    await line.until(job, isPreparing);
    killEngines('worker1');
    await line.untilSaved(job);
    killEngines('worker2');
  });
});

test('a worker that hangs (SIGSTOP) longer than a lease, then goes on', async () => {
  await using line = await startLine({ workers: 2 });
  await survives(line, async (job) => {
    await line.untilSaved(job);
    line.process('worker1').kill('SIGSTOP');
    await delay(8_000);
    line.process('worker1').kill('SIGCONT');
  });
});

test.each(['prepare', 'fit', 'train', 'evaluate'])(
  'the coordinator killed (-9) in %s and started again',
  async (stage) => {
    await using line = await startLine({ workers: 2 });
    await survives(line, async (job) => {
      if (stage === 'train') await line.untilSaved(job);
      else await line.until(job, isIn(stage));
      await line.kill('coordinator');
      await delay(300);
      line.start('coordinator', 'coordinator');
    });
  },
);

test('the store of NATS wiped and the server restarted, in mid-task and in mid-epoch', async () => {
  await using line = await startLine({ workers: 2 });
  await survives(line, async (job) => {
    await line.until(job, isPreparing);
    await line.nats.kill();
    await line.nats.start({ wipe: true });
    await line.untilSaved(job);
    await line.nats.kill();
    await delay(1_000);
    await line.nats.start({ wipe: true });
  });
});

test('the gateway answers all through a retraining in which everything else is killed', async () => {
  await using line = await startLine({ workers: 2, months: 5, gateway: true });
  await line.finish(await line.submit());
  await untilAnswers(`${line.gatewayUrl}/readyz`);
  const stop = new AbortController();
  const answers = predictUntil(line, stop.signal);
  await line.addObject(6);
  const job = await line.submit();
  await line.untilSaved(job);
  await Promise.all([line.kill('worker1'), line.kill('coordinator'), line.nats.kill()]);
  await delay(1_500);
  await line.nats.start({ wipe: true });
  line.start('coordinator', 'coordinator');
  const view = await line.finish(job);
  expect(view.published).toMatchObject({ version: 2 });
  await delay(1_500); // the gateway looks twice a second
  stop.abort();
  const { count, failed, versions } = await answers;
  expect(failed).toEqual([]);
  expect(count).toBeGreaterThan(50);
  expect([...versions]).toEqual(view.decision === 'accepted' ? [1, 2] : [1]);
});

async function predictUntil(line: Line, stop: AbortSignal) {
  const seen = { count: 0, failed: [] as string[], versions: new Set<number>() };
  const instances = [{ departed: '2030-06-01T08:10:00Z', minutes: 30, stop: 'harbour' }];
  while (!stop.aborted) {
    try {
      const { version } = await answer<{ version: number }>(
        `${line.gatewayUrl}/v1/models/trips:predict`,
        { instances },
      );
      seen.versions.add(version);
      seen.count += 1;
    } catch (error) {
      seen.failed.push((error as Error).message);
    }
    await delay(20);
  }
  return seen;
}
