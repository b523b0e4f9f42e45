// Who may import whom, and which one file opens each outside dependency.
// In: the import lines of the tree. Out: every line that goes against an arrow.
// Why a test: an arrow that nobody checks points both ways after a month.
import { expect, test } from 'vitest';
import { code, deploys, type Import, importsOf, PARTS, sources } from './tree.ts';

const partOf = (path: string): string => path.split('/')[0]!;
const show = ({ from, to }: Import): string => `${from} → ${to}`;
/** Who starts others as processes, or in its own place, by the address of their entry: nothing of theirs is imported. */
const STARTS: Readonly<Record<string, RegExp>> = {
  'cli/commands/role.ts': /^(coordinator|worker|gateway)\/main\.ts$/,
  'cli/commands/up.ts': /^deploy\/cluster\/main\.ts$/,
};
const isStart = ({ from, to }: Import): boolean => STARTS[from]?.test(to) ?? false;
const own = sources.flatMap(importsOf).filter((one) => !one.isPackage && !isStart(one));

test('common imports from no other folder', () => {
  const wrong = own.filter(({ from, to }) => partOf(from) === 'common' && partOf(to) !== 'common');
  expect(wrong.map(show)).toEqual([]);
});

test('coordinator, worker, gateway, cli and dashboard import common and never each other', () => {
  const wrong = own.filter(
    ({ from, to }) => partOf(to) !== partOf(from) && partOf(to) !== 'common',
  );
  expect(wrong.map(show)).toEqual([]);
});

test('deploy and test are never imported by sources, nor test by deploy', () => {
  const wrong = [...own, ...deploys.flatMap(importsOf)].filter(
    ({ from, to, isPackage }) =>
      !isPackage &&
      (partOf(to) === 'test' || (partOf(to) === 'deploy' && partOf(from) !== 'deploy')),
  );
  expect(wrong.map(show)).toEqual([]);
});

test('deploy imports common and the client of the sources: it starts the others as processes', () => {
  const wrong = deploys
    .flatMap(importsOf)
    .filter(
      ({ to, isPackage }) =>
        !isPackage && !['deploy', 'common'].includes(partOf(to)) && to !== 'cli/client.ts',
    );
  expect(wrong.map(show)).toEqual([]);
});

test('compile sees only common/{onnx,wire,stage,engine,algorithm,model,predict,errors,ids,limits,sql,freeze} and itself', () => {
  const isAllowed = (to: string): boolean =>
    /^coordinator\/compile\//.test(to) ||
    /^common\/(onnx\/|wire\/|stage\/|engine\/duckdb|algorithm\/|model\/|objective\/|predict\/|errors|ids|limits|sql|freeze)/.test(
      to,
    );
  const wrong = own.filter(
    ({ from, to }) => from.startsWith('coordinator/compile/') && !isAllowed(to),
  );
  expect(wrong.map(show)).toEqual([]);
});

/** Package → the files of ours that may open it. */
const DOORS: Readonly<Record<string, RegExp>> = {
  '@duckdb/node-api': /^common\/engine\/(duckdb(-[a-z]+)?|numerics)\.ts$/,
  '@duckdb/node-bindings': /^common\/engine\/duckdb(-[a-z]+)?\.ts$/,
  'onnxruntime-node': /^common\/engine\/(onnx|numerics)\.ts$/,
  '@bufbuild/protobuf': /^common\/onnx\/(proto|messages|inert)\.ts$/,
  minio: /^common\/store\/s3(-[a-z]+)?\.ts$/,
  '@nats-io/transport-node': /^common\/queue\/jetstream(\/[a-z]+)?\.ts$/,
  '@nats-io/jetstream': /^common\/queue\/jetstream(\/[a-z]+)?\.ts$/,
  '@nats-io/nats-core': /^common\/queue\/jetstream(\/[a-z]+)?\.ts$/,
  piscina: /^common\/child\/child\.ts$/,
  fastify: /^(common\/http|coordinator\/api|gateway)\/.*\.ts$/,
  '@fastify/swagger': /^common\/http\/service\.ts$/,
  'prom-client': /^(common\/http|gateway)\/metrics\.ts$/,
  typebox:
    /^(common\/(wire|stage|stored|http|model)|coordinator\/(api|registry|trigger)|gateway)\/.*\.ts$/,
  croner: /^coordinator\/trigger\/on\/cron\.ts$/,
  commander: /^cli\/program\.ts$/,
  ajv: /^(common\/wire|coordinator\/api)\/.*\.ts$/,
};

test('each outside dependency is opened where its adapter is, and nowhere else', () => {
  const packages = [...sources, ...deploys].flatMap(importsOf).filter(({ isPackage }) => isPackage);
  const wrong = packages.filter(({ from, to }) => !DOORS[to]?.test(from));
  expect(wrong.map(show)).toEqual([]);
});

test('what starts a process with Node 20 imports nothing but Node itself and other .mjs', () => {
  const wrong = deploys
    .filter(({ path }) => path.endsWith('.mjs'))
    .flatMap(importsOf)
    .filter(({ to, isPackage }) => isPackage || !to.endsWith('.mjs'));
  expect(wrong.map(show)).toEqual([]);
});

test('relative imports name files that are there, with their ending', () => {
  const paths = new Set(code.map(({ path }) => path));
  const isThere = (to: string): boolean =>
    paths.has(to) || paths.has(to.replace(/\.mjs$/, '.d.mts')) || to.endsWith('.json');
  const wrong = code.flatMap(importsOf).filter(({ to, isPackage }) => !isPackage && !isThere(to));
  expect(wrong.map(show)).toEqual([]);
});

test('the parts that the rules speak of are the folders that there are', () => {
  expect(PARTS.filter((part) => sources.some(({ path }) => path.startsWith(`${part}/`)))).toEqual(
    expect.arrayContaining(['common', 'coordinator', 'worker', 'gateway']),
  );
});
