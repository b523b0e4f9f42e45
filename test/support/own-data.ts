// Somebody's own data, end to end: a dataset of a package registry becomes Parquet, a job, a model, predictions.
// In: a dataset with a label. Out: what the command line wrote and what became of the job.
// Why through the command line: what a stranger types is what must work.
import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { openDuck } from '../../common/engine/duckdb.ts';
import { quoteText } from '../../common/sql.ts';
import type { JobInput } from '../../common/wire/job/job.ts';
import type { JobView } from '../../common/wire/view.ts';

export type OwnData = {
  readonly name: string;
  /** A file of the npm package vega-datasets; else it is got elsewhere: `path` of writeParquet. */
  readonly vega?: string;
  /** Of DuckDB, with FILE for what reads the source. */
  readonly select: string;
  readonly label: string;
};

/** Small ones that npm has brought already: regression and classes, with and without times, wide text, nulls. */
export const VEGA: readonly OwnData[] = [
  { name: 'cars', vega: 'cars.json', select: 'SELECT * FROM FILE', label: 'Miles_per_Gallon' },
  {
    name: 'penguins',
    vega: 'penguins.json',
    select: 'SELECT * FROM FILE',
    label: "Species = 'Adelie'",
  },
  {
    name: 'movies',
    vega: 'movies.json',
    select: `SELECT * REPLACE (try_strptime("Release Date", '%b %d %Y') AS "Release Date") FROM FILE`,
    label: '"IMDB Rating"',
  },
  { name: 'weather', vega: 'weather.csv', select: 'SELECT * FROM FILE', label: "weather = 'rain'" },
  {
    name: 'birdstrikes',
    vega: 'birdstrikes.csv',
    select: 'SELECT * FROM FILE',
    label: `"Effect Amount of damage" <> 'None'`,
  },
  {
    name: 'delays',
    vega: 'flights-20k.json',
    select: `SELECT * REPLACE (strptime(date, '%Y/%m/%d %H:%M') AS date) FROM FILE`,
    label: 'delay > 15',
  },
  {
    name: 'stocks',
    vega: 'stocks.csv',
    select: `SELECT * REPLACE (strptime(date, '%b %-d %Y') AS date) FROM FILE`,
    label: 'price',
  },
  { name: 'gapminder', vega: 'gapminder.json', select: 'SELECT * FROM FILE', label: 'life_expect' },
  { name: 'commits', vega: 'github.csv', select: 'SELECT * FROM FILE', label: 'count' },
];

const vegaFile = (name: string): string =>
  join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data', name);

/** Writes LAKE/NAME/NAME.parquet. */
export async function writeParquet(
  { name, vega, select }: OwnData,
  { lake, spill, path = vegaFile(vega ?? '') }: { lake: string; spill: string; path?: string },
): Promise<void> {
  const folder = join(lake, name);
  await mkdir(folder, { recursive: true });
  await using duck = await openDuck({
    memoryBytes: 2 ** 30,
    tempDir: spill,
    files: [path],
    writeDir: folder,
  });
  const source = path.endsWith('.json')
    ? `read_json_auto(${quoteText(path)})`
    : `read_csv(${quoteText(path)}, nullstr = ['NA', ''])`;
  const target = quoteText(join(folder, `${name}.parquet`));
  await duck.run(`COPY (${select.replace('FILE', source)}) TO ${target} (FORMAT parquet)`);
}

export type Trial = {
  readonly job: JobInput;
  readonly reasons: { readonly split: string; readonly warnings: readonly string[] };
  /** Null where init refused the dataset: `said` tells why. */
  readonly view: JobView | null;
  readonly predictions: readonly number[];
  readonly said: string;
};

type Place = {
  readonly folder: string;
  readonly coordinatorUrl: string;
  readonly gatewayUrl: string;
};

/** init, submit --watch, predict: as the README has them. */
export async function tryOwnData({ name, label }: OwnData, place: Place): Promise<Trial> {
  const cli = async (...words: string[]) => gristmill(words, place);
  const began = await cli('init', `${name}/*.parquet`, '--label', label, '--json');
  if (began.exit !== 0) throw new Error(`init ${name} ended with ${began.exit}: ${began.error}`);
  const { job, reasons, files } = JSON.parse(began.text) as Trial & { files: [string, string] };
  const ran = await cli('job', 'submit', files[0], '--watch', '--json');
  const news = ran.text.trim().split('\n');
  const views = news.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'view');
  const view = (views.at(-1)?.view ?? null) as JobView | null;
  if (ran.exit !== 0 || !view) return { job, reasons, view, predictions: [], said: ran.error };
  const rows = JSON.parse(await readFile(join(place.folder, files[1]), 'utf8'));
  const told = await served(() => cli('predict', name, files[1], '--json'));
  const { predictions = [] } = JSON.parse(told.text || '{}') as { predictions?: number[] };
  const isWhole = told.exit === 0 && predictions.length === rows.instances.length;
  return { job, reasons, view, predictions, said: isWhole ? '' : told.error };
}

/** A gateway follows an alias within a second or two. */
async function served(ask: () => Promise<Ended>): Promise<Ended> {
  for (let tries = 20; ; tries--) {
    const told = await ask();
    if (told.exit === 0 || tries === 0) return told;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** True where the figure by which two models are told apart is better than always saying the mean. */
export function beatsBaseline({ evaluation }: JobView): boolean {
  if (!evaluation) return false;
  const { metrics, baseline } = evaluation;
  if (metrics.auc !== undefined && !(metrics.auc > 0.5)) return false;
  const loss = metrics.logLoss === undefined ? 'mse' : 'logLoss';
  return metrics[loss]! < baseline[loss]!;
}

type Ended = { readonly exit: number | null; readonly text: string; readonly error: string };

function gristmill(words: readonly string[], place: Place): Promise<Ended> {
  const main = join(import.meta.dirname, '../../cli/main.ts');
  const addresses = ['--coordinator', place.coordinatorUrl, '--gateway', place.gatewayUrl];
  const env = Object.entries(process.env).filter(([name]) => !name.startsWith('GRISTMILL_'));
  const child = spawn(process.execPath, [main, ...addresses, ...words], {
    cwd: place.folder,
    env: Object.fromEntries(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { text: '', error: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.text += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.error += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exit) => resolve({ exit, ...said }));
  });
}
