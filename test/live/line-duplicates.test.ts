// Every task message delivered three times over: the queue promises nothing, and nothing may depend on it.
// In: a job, and a client that offers each task again, twice, under new ids. Out: the bytes of a run without it.
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { silentLog } from '../../common/log.ts';
import { openJetStream } from '../../common/queue/jetstream.ts';
import type { Task } from '../../common/wire/task.ts';
import { fingerprint, startLine } from '../support/line.ts';

const SHORT = {
  train: { optimizer: 'adam', learningRate: 0.01, batchRows: 128, epochs: 2, lanes: 8 },
};

test('each task offered three times under different ids gives the same bytes', async () => {
  const run = async (repeat: boolean): Promise<Record<string, unknown>> => {
    await using line = await startLine({ workers: 2 });
    const seen = repeat ? await repeatOffers(line.nats.url) : undefined;
    const view = await line.finish(await line.submit(SHORT));
    expect(view.state).toBe('succeeded');
    await delay(1_000); // the last repeats are answered
    if (seen) expect(await seen.stop()).toBeGreaterThan(20);
    for await (const { key } of line.store.list('parts/')) {
      if (key.endsWith('.json')) expect(key).toMatch(/\/1\.json$|\/groups\//);
    }
    for await (const { key } of line.store.list('failures/')) expect.fail(`there is ${key}`);
    return fingerprint(line.store, view);
  };
  expect(await run(true)).toEqual(await run(false));
}, 120_000);

/** Listens for task messages, and offers each task twice more: at once, and when it may be done. */
async function repeatOffers(url: string): Promise<{ stop(): Promise<number> }> {
  const queue = await openJetStream({
    servers: url,
    source: 'the test',
    name: 'repeater',
    log: silentLog,
  });
  const connection = await connect({ servers: url });
  const repeated = new Set<string>();
  const offers: Promise<void>[] = [];
  connection.subscribe('gm.task.>', {
    callback: (_error, message) => {
      const task = JSON.parse(message.string()) as Task;
      if (repeated.has(task.task)) return;
      repeated.add(task.task);
      offers.push(queue.offer(task, 1));
      offers.push(delay(500).then(() => queue.offer(task, 2)));
    },
  });
  return {
    stop: async () => {
      await connection.close();
      await Promise.all(offers);
      await queue.close();
      return repeated.size;
    },
  };
}
