// What a cluster that has come up says of itself.
// In: its addresses. Out: lines for a person, one document for a script.
// Why it looks into the lake: the next command to type names what is there.
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { News } from './post.ts';
import type { Noted } from './state.ts';

const USUAL = { coordinator: 'http://127.0.0.1:8080', gateway: 'http://127.0.0.1:8090' };
/** Folders that are looked into for a first Parquet file: enough for one dataset, nothing for a lake of millions. */
const LOOKS_MAX = 50;

export const documentOf = (cluster: Noted): object => ({
  coordinatorUrl: cluster.coordinatorUrl,
  gatewayUrl: cluster.gatewayUrl,
  lake: cluster.lakeUri,
  store: cluster.storeUri,
  logs: cluster.logs,
  pids: Object.fromEntries(cluster.processes.map(({ name, pid }) => [name, pid])),
});

/** What has happened to one of its processes. */
export function newsLine(name: string, news: News, atMs: number): string {
  const time = new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
  if (news.kind === 'started') {
    return `${time} ${name} runs again (process ${news.pid}, started again ${times(news.restarts)})`;
  }
  return `${time} ${name} has ended (${news.how}); it is started again in ${news.delayMs / 1000} s`;
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

export async function welcome(
  cluster: Noted,
  { program, folder, isDetached }: { program: string; folder: string; isDetached: boolean },
): Promise<string> {
  const { coordinatorUrl, gatewayUrl, lakeUri, storeUri, logs } = cluster;
  const pattern = await findPattern(lakeUri);
  const name = pattern?.match(/[a-z][a-z0-9-]*/i)?.[0].toLowerCase() ?? 'NAME';
  const there = pattern ? [] : ['(no Parquet file is in the lake yet)'];
  return `${[
    `coordinator  ${coordinatorUrl} (documentation: ${coordinatorUrl}/docs)`,
    `gateway      ${gatewayUrl} (documentation: ${gatewayUrl}/docs)`,
    `lake         ${lakeUri}`,
    `store        ${storeUri}`,
    `logs         ${short(logs, folder)}`,
    '',
    [isDetached ? 'Next:' : 'Next, in another terminal:', ...there].join(' '),
    ...addresses(cluster),
    `  ${program} init '${pattern ?? 'PATTERN/*.parquet'}' --label EXPR`,
    `  ${program} job submit ${name}.job.json --watch`,
    `  ${program} predict ${name} ${name}.rows.json`,
    isDetached ? `"${program} down" ends the cluster.` : 'Running until Ctrl-C …',
  ].join('\n')}\n`;
}

/** Where the command line would not look by itself, but in this folder and those below it. */
function addresses({ coordinatorUrl, gatewayUrl }: Noted): string[] {
  const names = [
    ...(coordinatorUrl === USUAL.coordinator ? [] : [`GRISTMILL_COORDINATOR=${coordinatorUrl}`]),
    ...(gatewayUrl === USUAL.gateway ? [] : [`GRISTMILL_GATEWAY=${gatewayUrl}`]),
  ];
  return names.length > 0
    ? [`  export ${names.join(' ')}   # in another folder than this one`]
    : [];
}

/** A pattern for the first Parquet file of a lake that is a folder: "trips/*.parquet". */
export async function findPattern(lakeUri: string): Promise<string | undefined> {
  if (!lakeUri.startsWith('file:')) return undefined;
  const root = fileURLToPath(lakeUri);
  const waiting = [root];
  for (let looks = 0; looks < LOOKS_MAX && waiting.length > 0; looks++) {
    const folder = waiting.shift()!;
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const names = entries.filter(({ name }) => !/^[._]/.test(name));
    if (names.some((entry) => entry.isFile() && entry.name.endsWith('.parquet'))) {
      const [top, ...below] = relative(root, folder).split('/').filter(Boolean);
      if (top === undefined) return '*.parquet';
      return below.length > 0 ? `${top}/**/*.parquet` : `${top}/*.parquet`;
    }
    const folders = names.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    waiting.push(...folders.sort().map((name) => join(folder, name)));
  }
  return undefined;
}

function short(path: string, folder: string): string {
  const near = relative(folder, path);
  return near.startsWith('..') ? path : near;
}
