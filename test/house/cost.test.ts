// What one new thing costs: how many source files name each thing that there is one more of now and then.
// In: the registries, and the text of every source. Out: a thing that more files name than its kind may.
// Why by files that name it: whoever adds the next one must find and change just as many.
//
// A file names a thing where its code holds the name as a whole text ('auc'), as a member of its table, or imports the
// thing's own file. Registries count; generated files, examples in prose and tests do not.
import { expect, test } from 'vitest';
import { SCHEDULES } from '../../common/algorithm/algorithms.ts';
import { DEVICES } from '../../common/engine/device/device.ts';
import { METRICS } from '../../common/metric/metrics.ts';
import { MODELS } from '../../common/model/models.ts';
import { OBJECTIVES } from '../../common/objective/objectives.ts';
import { SETTING_NAMES } from '../../common/settings.ts';
import { STAGE_NAMES } from '../../common/stage/stages.ts';
import { DEFAULT_ALIAS, DEFAULT_ENVIRONMENT } from '../../common/wire/environment.ts';
import { DATE_PARTS } from '../../coordinator/compile/date-parts.ts';
import { FITTED_CODES, FITTED_NUMBERS } from '../../coordinator/compile/fitted.ts';
import { UNARY } from '../../coordinator/compile/unary.ts';
import { deploys, type File, importsOf, sources, withoutComments } from './tree.ts';

type Kind = {
  readonly what: string;
  readonly names: readonly string[];
  /** Files that name one of them: the thing's own, and registries. */
  readonly filesMax: number;
  /** Its own file is named after it, in folders of this form. */
  readonly own?: RegExp;
  /** Files in which the word means something else, or that need not change for a new one. */
  readonly homonyms?: RegExp;
};

const KINDS: readonly Kind[] = [
  { what: 'unary function', names: Object.keys(UNARY), filesMax: 1 },
  {
    what: 'date part',
    names: Object.keys(DATE_PARTS),
    filesMax: 1,
    homonyms: /^coordinator\/trigger\/|^cli\/init\//, // cron fields; init writes some parts and need not know all
  },
  {
    what: 'fitted function',
    names: Object.keys({ ...FITTED_NUMBERS, ...FITTED_CODES }),
    filesMax: 1,
  },
  {
    what: 'stage',
    names: STAGE_NAMES,
    filesMax: 5, // what it is, what the coordinator does, what else names its tasks, its place in a line
    homonyms:
      /\/former\.ts$|^common\/(stored|wire\/job)\/|^cli\/|^deploy\/quickstart\/|^worker\/train\/|^worker\/stage\/fit|^coordinator\/(plan|registry|rounds)\//, // old journals and plans; "train" is also a section of a job, a part of a split and a message
  },
  { what: 'objective', names: Object.keys(OBJECTIVES), filesMax: 2, own: /^common\/objective\// },
  {
    what: 'metric',
    names: Object.keys(METRICS),
    filesMax: 2, // its own and the objectives that are measured by it
    homonyms: /^coordinator\/api\/schemas|^deploy\/quickstart\/story/, // examples of a gate
  },
  {
    what: 'kind of model',
    names: Object.keys(MODELS),
    filesMax: 2,
    own: /^common\/model\//,
    homonyms: /^cli\/init\/|^coordinator\/api\/schemas/, // what init writes, and an example
  },
  { what: 'device', names: Object.keys(DEVICES), filesMax: 2, own: /^common\/engine\/device\// },
  { what: 'algorithm', names: Object.keys(SCHEDULES), filesMax: 4, own: /\/algorithms\// },
  { what: 'kind of trigger', names: ['cron'], filesMax: 2, own: /^coordinator\/trigger\/on\// },
  {
    what: 'default environment or alias',
    names: [DEFAULT_ENVIRONMENT, DEFAULT_ALIAS],
    filesMax: 1,
    homonyms: /^deploy\/image\/|^common\/metric\/|^worker\/stage\/compare/, // a folder; a side of a comparison
  },
  {
    what: 'setting',
    names: SETTING_NAMES,
    filesMax: 1,
    homonyms: /\/main\.ts$|^cli\/(call|config)|^coordinator\/api\/docs|^gateway\/server/, // who cannot reach a service names its address
  },
  {
    what: 'route',
    names: routesOf(/^coordinator\//),
    filesMax: 1, // with its schemas and what it asks of others; the client is generated
    homonyms: /^gateway\//, // a service of its own
  },
  {
    what: 'route of the gateway',
    names: routesOf(/^gateway\//),
    filesMax: 1,
    homonyms: /^coordinator\//,
  },
];

/** Paths that files of these folders answer at. */
function routesOf(folder: RegExp): readonly string[] {
  const texts = sources.filter(({ path }) => folder.test(path)).map(({ text }) => text);
  return [
    ...new Set(texts.flatMap((text) => [...text.matchAll(/'(\/v1\/[^']+)'/g)].map((m) => m[1]!))),
  ];
}

const isGenerated = ({ path }: File): boolean => /^cli\/api(\/|\.ts$)/.test(path);
const ours = [...sources, ...deploys].filter((file) => !isGenerated(file));

/** Paths of files that name a thing. */
function namers(name: string, { own, homonyms }: Kind): string[] {
  const text = new RegExp(`'${name.replaceAll('{', '\\{')}'|^  ${name}: \\{`, 'm');
  return ours
    .filter(({ path }) => !homonyms?.test(path))
    .filter((file) => text.test(withoutComments(file.text)) || importsOwn(file, name, own))
    .map(({ path }) => path);
}

const importsOwn = (file: File, name: string, own: RegExp | undefined): boolean =>
  own !== undefined && importsOf(file).some(({ to }) => own.test(to) && to.endsWith(`/${name}.ts`));

test.each(KINDS)('a $what is named by at most $filesMax files', (kind) => {
  const dear = kind.names
    .map((name) => ({ name, files: namers(name, kind) }))
    .filter(({ files }) => files.length > kind.filesMax);
  expect(dear).toEqual([]);
});
