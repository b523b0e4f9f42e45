// A worker process without engines, to be killed, stopped and paused: its tasks write a small file, or nothing.
// In: one JSON argument. Out: commits; the line "working" on standard output once it pulls.
import '../../common/io-threads.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../common/clock.ts';
import { armCrash } from '../../common/crash.ts';
import { runProgram, untilAborted } from '../../common/lifecycle.ts';
import { makeLog } from '../../common/log.ts';
import { openJetStream } from '../../common/queue/jetstream.ts';
import { openStore } from '../../common/store/open.ts';
import type { WorkerSetup } from './processes.ts';
import { startTestWorker } from './work.ts';

const log = makeLog('worker', systemClock);

async function run(stop: AbortSignal): Promise<void> {
  const setup = JSON.parse(process.argv[2] ?? '') as WorkerSetup;
  armCrash(setup.crash ?? '');
  const queue = await openJetStream({
    servers: setup.nats,
    source: 'the test',
    name: 'test-worker',
    log,
    ackWaitMs: setup.ackWaitMs,
  });
  const worker = startTestWorker({
    queue,
    store: await openStore(setup.store, process.env),
    clock: systemClock,
    log,
    numerics: setup.numerics,
    slots: setup.slots,
    blob: setup.blob,
    act: async () => {
      if (setup.taskMs > 0) await delay(setup.taskMs);
    },
  });
  process.stdout.write('working\n');
  await untilAborted(stop);
  await worker.stop(setup.taskMs);
  await queue.close();
}

await runProgram({ help: '', log, run });
