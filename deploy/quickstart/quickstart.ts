// One run of the quickstart: binaries, lake, cluster, story, farewell; each part timed.
// In: options, a screen, a signal that ends it. Out: figures; afterwards nothing runs, unless it was to be kept.
// Why everything is in one folder a run: a fresh store each time, and one place to look at and to remove.
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { JobInput } from '../../common/wire/job/job.ts';
import { size, whole } from '../../common/words/figures.ts';
import { getMinio, getNatsServer } from '../binaries.mjs';
import { home, root } from '../bootstrap.mjs';
import { type Cluster, startCluster } from '../cluster/cluster.ts';
import { clearNoted, makeRunFolder, writeLast, writeNoted } from '../cluster/state.ts';
import { makeLake } from './lake.ts';
import type { Options } from './options.ts';
import type { Screen } from './screen.ts';
import { type StoryFigures, tellStory } from './story.ts';
import { entry, seconds } from './words.ts';

export type QuickstartFigures = StoryFigures & {
  readonly rows: number;
  readonly store: string;
  readonly seconds: Readonly<Record<string, number>>;
};

export async function runQuickstart(
  options: Options,
  screen: Screen,
  signal: AbortSignal,
): Promise<QuickstartFigures> {
  const times: [name: string, ms: number][] = [];
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const beganMs = performance.now();
    try {
      return await work();
    } finally {
      times.push([name, performance.now() - beganMs]);
    }
  };
  screen.line('gristmill quickstart: real Parquet becomes a served model, then new data arrives');

  const servers = await timed('binaries', () => getServers(options));
  const lake = await timed('lake', () =>
    makeLake(join(home, 'lake', String(options.rows)), options.rows),
  );
  signal.throwIfAborted();
  const bytes = [...lake.first, ...lake.later].reduce((sum, file) => sum + file.bytes, 0);
  screen.line(
    entry(
      'data',
      `${whole(options.rows)} real flights of 2001 by month and 1,200 synthetic defects in March, ${size(bytes)} of Parquet (${lake.isNew ? 'made' : 'kept'})`,
    ),
  );

  const folder = await makeRunFolder();
  const cluster = await timed('cluster', () => startCluster({ folder, ...servers, signal }));
  screen.line(
    entry(
      'cluster',
      `NATS, ${options.store === 'minio' ? 'MinIO, ' : ''}coordinator, worker and gateway run; their logs: ${relative(root, cluster.logs)}`,
    ),
  );
  const isMinio = options.store === 'minio';
  let isDone = false;
  const over = new AbortController();
  try {
    await writeLast({ folder, store: options.store });
    await writeNoted(folder, cluster, { isKept: false, isSupervised: true, isMinio });
    const spec = JSON.parse(
      await readFile(join(root, 'deploy/examples/flight-delay.json'), 'utf8'),
    ) as JobInput;
    const story = tellStory({
      cluster,
      lake,
      spec,
      rows: options.rows,
      screen,
      timed,
      signal: over.signal,
    });
    story.catch(() => {}); // what breaks the cluster is the better error
    const figures = await Promise.race([story, cluster.broken, untilAborted(signal)]);
    sayWhere(screen, cluster, options);
    isDone = true;
    return { ...figures, rows: options.rows, store: cluster.storeUri, seconds: inSeconds(times) };
  } finally {
    over.abort(); // nobody asks a cluster that is being stopped
    screen.clear();
    if (isDone && options.keep) {
      await writeNoted(folder, cluster, { isKept: true, isSupervised: false, isMinio });
      await cluster.release();
    } else {
      await timed('stop', () => cluster.stop());
      await clearNoted(folder);
    }
    if (isDone) sayTimes(screen, times);
  }
}

async function getServers({ store }: Options): Promise<{ natsServer: string; minio?: string }> {
  const natsServer = await getNatsServer();
  return store === 'minio' ? { natsServer, minio: await getMinio() } : { natsServer };
}

function sayWhere(screen: Screen, cluster: Cluster, { keep }: Options): void {
  screen.line('\n5. Where things are');
  screen.line(entry('objects', cluster.storeUri));
  screen.line(
    entry('', 'jobs/, parts/ (by content), models/flight-delay/{versions,blobs,environments}'),
  );
  screen.line(
    entry(
      'HTTP API',
      `${cluster.coordinatorUrl}/docs (every field of a job: /docs/job), predictions: ${cluster.gatewayUrl}/docs`,
    ),
  );
  if (keep) {
    screen.line(entry('kept', 'the cluster goes on running; "npm start -- --stop" ends it'));
  } else {
    screen.line(entry('next', '"npm start" runs the cluster on these objects until Ctrl-C'));
    screen.line(entry('', '"npm run gristmill -- --help" lists what there is to type then'));
  }
}

function sayTimes(screen: Screen, times: readonly (readonly [string, number])[]): void {
  const total = times.reduce((sum, [, ms]) => sum + ms, 0);
  const parts = times.filter(([, ms]) => ms >= 50).map(([name, ms]) => `${name} ${seconds(ms)}`);
  screen.line(entry('time', `${parts.join(', ')}; in all ${seconds(total)}`));
}

const inSeconds = (times: readonly (readonly [string, number])[]): Record<string, number> =>
  Object.fromEntries(times.map(([name, ms]) => [name, Math.round(ms) / 1000]));

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
