// How many durable tasks a second: no-ops through nats-server, one worker process and the dispatcher, each with its
// create-only commit. In: --tasks N. Out: tasks a second on file:// and MinIO, beside what raw NATS moves in the same run,
// and CPU milliseconds a task by process, which hold better than seconds where a machine is shared.
// Why no-ops: it is the price of the machinery alone.
import '../../common/io-threads.ts';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { systemClock } from '../../common/clock.ts';
import { silentLog } from '../../common/log.ts';
import { openJetStream } from '../../common/queue/jetstream.ts';
import { openStore } from '../../common/store/open.ts';
import { runTasks } from '../../coordinator/dispatch/offer.ts';
import { watchWorkers } from '../../coordinator/dispatch/workers.ts';
import { startMinio } from '../support/minio.ts';
import { type Nats, startNats } from '../support/nats.ts';
import { startWorkerProcess } from '../support/processes.ts';
import { makeTask, makeTasks } from '../support/tasks.ts';
import { countCommits } from '../support/work.ts';
import type { Bench } from './bench.ts';

/** Leases in flight: a no-op waits for the store, not for a core. */
const SLOTS = 64;

export const runBench: Bench = async ({ say, args }) => {
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    options: { tasks: { type: 'string', default: '6000' }, runs: { type: 'string', default: '3' } },
  });
  const [count, runs] = [Number(values.tasks), Number(values.runs)];
  await using nats = await startNats();
  await using folder = await makeFolder();

  const raw = await best(runs, () => rawRate(nats, count));
  say(`raw NATS: ${Math.round(raw)} messages/s published, consumed and acknowledged`);
  let fastest: Rate | undefined;
  for (let run = 0; run < runs; run++) {
    const uri = pathToFileURL(join(folder.path, String(run))).href;
    const rate = await taskRate(nats, { uri, env: {}, count, numerics: `file-${run}` });
    say(`file://: ${describe(rate)}`);
    if (!fastest || rate.perSecond > fastest.perSecond) fastest = rate;
  }
  const minio = await minioRate(nats, { count: Math.ceil(count / 3), runs, say });
  const { perSecond, cpuMs } = fastest!;
  return {
    figures: {
      perSecond,
      perSecondMinio: minio?.perSecond ?? null,
      rawNatsPerSecond: raw,
      tasks: count,
      slots: SLOTS,
      cpuMsDispatcher: cpuMs.dispatcher,
      cpuMsWorker: cpuMs.worker,
      cpuMsNats: cpuMs.nats,
      cpuMsDispatcherMinio: minio?.cpuMs.dispatcher ?? null,
      cpuMsWorkerMinio: minio?.cpuMs.worker ?? null,
      loadAverage: loadavg()[0]!,
    },
    ratios: {
      ofRawNats: perSecond / raw,
      minioOfFile: minio ? minio.perSecond / perSecond : null,
    },
  };
};

type Rate = { readonly perSecond: number; readonly cpuMs: CpuMs };
/** CPU milliseconds a task; 0 where the system does not tell. */
type CpuMs = { readonly dispatcher: number; readonly worker: number; readonly nats: number };

const describe = ({ perSecond, cpuMs: { dispatcher, worker, nats } }: Rate): string =>
  `${Math.round(perSecond)} tasks/s; CPU ms a task: dispatcher ${dispatcher.toFixed(3)}, ` +
  `worker ${worker.toFixed(3)}, nats ${nats.toFixed(3)}; load ${loadavg()[0]!.toFixed(1)}`;

async function minioRate(
  nats: Nats,
  { count, runs, say }: { count: number; runs: number; say: (line: string) => void },
): Promise<Rate | null> {
  await using minio = await startMinio();
  if (!minio) return null;
  let fastest: Rate | null = null;
  for (let run = 0; run < runs; run++) {
    const numerics = `minio-${run}`;
    const rate = await taskRate(nats, {
      uri: `s3://bench/${run}`,
      env: minio.env,
      count,
      numerics,
    });
    say(`MinIO: ${describe(rate)}`);
    if (!fastest || rate.perSecond > fastest.perSecond) fastest = rate;
  }
  return fastest;
}

type Place = {
  readonly uri: string;
  readonly env: Readonly<Record<string, string>>;
  readonly count: number;
  readonly numerics: string;
};

async function taskRate(nats: Nats, { uri, env, count, numerics }: Place): Promise<Rate> {
  const store = await openStore(uri, env, { create: true });
  const queue = await openJetStream({
    servers: nats.url,
    source: 'the benchmark',
    name: 'bench',
    log: silentLog,
  });
  const workers = watchWorkers(queue, systemClock);
  const ackWaitMs = 10_000;
  const setup = { nats: nats.url, store: uri, numerics, slots: SLOTS, taskMs: 0, blob: false };
  await using worker = await startWorkerProcess({ ...setup, ackWaitMs }, env);
  const tasks = makeTasks(count, { numerics });
  const signal = new AbortController().signal;
  const common = { queue, store, workers, signal, clock: systemClock, log: silentLog };
  await runTasks({ ...common, tasks: [makeTask('warm', { numerics })] });
  const cpu = (): number[] => [ownCpuMs(), cpuMsOf(worker.pid), cpuMsOf(nats.pid())];
  const [before, start] = [cpu(), performance.now()];
  const found = await runTasks({ ...common, tasks, isNew: true }); // as a stage whose program is new
  const seconds = (performance.now() - start) / 1000;
  const spent = cpu().map((ms, i) => (ms - before[i]!) / count);
  const commits = await countCommits(store, tasks.slice(0, 100));
  if (found.size !== count || commits[1] !== 100) throw new Error('a task has not one commit');
  workers.close();
  await queue.close();
  await store.close();
  const cpuMs = { dispatcher: spent[0]!, worker: spent[1]!, nats: spent[2]! };
  return { perSecond: count / seconds, cpuMs };
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** User and system time of another process, which Linux gives in ticks of 10 ms. */
function cpuMsOf(pid: number | undefined): number {
  if (process.platform !== 'linux' || pid === undefined) return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Publish with confirmation, 512 in flight; consume and acknowledge in the same process at the same time. */
async function rawRate(nats: Nats, count: number): Promise<number> {
  const connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: 'RAW',
    subjects: ['raw.>'],
    retention: RetentionPolicy.Workqueue,
  });
  await manager.consumers.add('RAW', { durable_name: 'raw', ack_policy: AckPolicy.Explicit });
  const client = jetstream(connection);
  const consumer = await client.consumers.get('RAW', 'raw');
  const payload = JSON.stringify(makeTask('raw'));
  const start = performance.now();
  let left = count;
  const publish = async (): Promise<void> => {
    while (left-- > 0) await client.publish('raw.task', payload);
  };
  const published = Promise.all(Array.from({ length: 512 }, publish));
  const messages = await consumer.consume({ max_messages: 512 });
  let consumed = 0;
  for await (const message of messages) {
    message.ack();
    if (++consumed === count) break;
  }
  await published;
  const seconds = (performance.now() - start) / 1000;
  await manager.streams.delete('RAW');
  await connection.close();
  return count / seconds;
}

async function best(runs: number, measure: () => Promise<number>): Promise<number> {
  const rates: number[] = [];
  for (let i = 0; i < runs; i++) rates.push(await measure());
  return Math.max(...rates);
}

async function makeFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'gristmill-bench-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
