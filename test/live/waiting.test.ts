// A job that stands still says for what, within seconds: real processes, killed under it.
// In: the only worker killed, workers that cannot take over, a broker killed. Out: words in the view, in events, in /readyz
// and in figures; and once what was missing is there, the job goes on by itself.
import { expect, test } from 'vitest';
import type { JobView } from '../../common/wire/view.ts';
import type { WaitingCode } from '../../common/wire/waiting.ts';
import { type Line, startLine } from '../support/line.ts';
import { startWorkerProcess } from '../support/processes.ts';

const isTraining = (view: JobView): boolean => (view.training?.round ?? 0) > 5;
const waitsFor =
  (code: WaitingCode) =>
  ({ waitingFor }: JobView): boolean =>
    waitingFor?.code === code;

async function textOf(line: Line, path: string): Promise<string> {
  return (await fetch(`${line.coordinatorUrl}${path}`)).text();
}

test('the only worker killed while it trains, then one of other numerics, then one that can', async () => {
  await using line = await startLine({ workers: 1 });
  const job = await line.submit();
  await line.untilSaved(job);
  await line.kill('worker1');
  const alone = await line.until(
    job,
    (view) => waitsFor('NO_WORKER')(view) && view.training!.workers === 0,
  );
  expect(alone.waiting).toBe('no worker is alive');
  expect(await textOf(line, '/readyz')).toContain('1 job waits: no worker is alive');
  const metrics = await textOf(line, '/metrics');
  expect(metrics).toContain('gristmill_jobs_waiting{reason="NO_WORKER"} 1');
  expect(metrics).toContain('gristmill_jobs{state="running"} 1');
  expect(await firstView(line, job)).toContain('"code":"NO_WORKER"');

  {
    await using other = await startWorkerProcess({
      nats: line.nats.url,
      store: line.store.uri,
      numerics: 'duckdb-9.9.9',
      slots: 1,
      taskMs: 0,
      blob: false,
      ackWaitMs: 10_000,
    });
    expect(other.pid).toBeGreaterThan(0);
    const unlike = await line.until(job, waitsFor('OTHER_NUMERICS'));
    expect(unlike.waiting).toMatch(
      /it wants duckdb .*; there is duckdb 9\.9\.9.*; to go on under that: gristmill job repin j-/,
    );
  }

  line.start('worker2', 'worker');
  const view = await line.finish(job);
  expect(view).toMatchObject({ state: 'succeeded', waiting: null, waitingFor: null });
});

test('the broker killed under a job is named, and the job goes on when it is back', async () => {
  await using line = await startLine({ workers: 1 });
  await line.nats.kill();
  const job = await line.submit();
  const deaf = await line.until(job, waitsFor('QUEUE_AWAY'));
  expect(deaf.waiting).toContain(`127.0.0.1:${line.nats.port} does not answer`);
  expect((await fetch(`${line.coordinatorUrl}/readyz`)).status).toBe(503);
  const dataset = `/v1/schema?uri=${encodeURIComponent('trips/*.parquet')}`;
  expect(await textOf(line, dataset)).toContain('the queue at nats://127.0.0.1');
  await line.nats.start();
  expect(await line.finish(job)).toMatchObject({ state: 'succeeded', waiting: null });
});

test('a worker too small for the tasks of a job says nothing: the job does', async () => {
  await using line = await startLine({ workers: 1 });
  const job = await line.submit();
  await line.until(job, ({ snapshot }) => snapshot !== null);
  await line.kill('worker1');
  line.start('small', 'worker', { GRISTMILL_MEMORY: '512' });
  const view = await line.until(job, waitsFor('MEMORY_SMALL'));
  expect(view.waiting).toBe(
    'its tasks need 896 MiB of memory, and the largest live worker has 512 MiB',
  );
  await line.kill('small');
  line.start('worker2', 'worker');
  await line.until(job, isTraining);
});

/** The first view that a follower is sent. */
async function firstView(line: Line, job: string): Promise<string> {
  const response = await fetch(`${line.coordinatorUrl}/v1/jobs/${job}/events`);
  let text = '';
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += new TextDecoder().decode(bytes);
    if (/event: view\n.*\n\n/.test(text)) break;
  }
  return text.slice(text.indexOf('event: view'));
}
