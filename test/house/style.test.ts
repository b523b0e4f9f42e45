// How a file reads here: a header, erasable TypeScript, outside effects only through adapters.
// In: every source file. Out: the lines that break a rule. A number beside a rule is a ratchet: it may only fall.
// Why a test: style that is not checked is an opinion. Why no length: a header that must be long is filled, not written.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CODES } from '../../common/errors.ts';
import { code, deploys, type File, linesWith, PARTS, root, sources } from './tree.ts';

const CODES_UNUSED_MAX = 1;
const ours = [...sources, ...deploys];

/** Comment lines at the top of a file. */
function headerLines({ text }: File): number {
  const lines = text.split('\n');
  const start = lines[0]?.startsWith('#!') ? 1 : 0;
  const end = lines.findIndex((line, i) => i >= start && !line.startsWith('//'));
  return (end < 0 ? lines.length : end) - start;
}

test('every source file says what comes in, what goes out, and why', () => {
  const silent = ours.filter(
    (file) => headerLines(file) < 2 && !/^\/\/.*\bIn: .*\bOut: /.test(file.text),
  );
  expect(silent.map(({ path }) => path)).toEqual([]);
});

test('no source file is a drawer: utils, helpers, lib, index', () => {
  const drawers = /(^|\/)(utils?|helpers?|interfaces|lib|index|misc)\.(ts|mjs)$/;
  expect(code.filter(({ path }) => drawers.test(path)).map(({ path }) => path)).toEqual([]);
});

test('TypeScript is what Node can strip: no enum, namespace or parameter property', () => {
  const pattern =
    /^\s*(export )?(declare )?(const )?enum \w|^\s*(export )?(declare )?(namespace|module) [\w']|constructor\((?:[^)]*,)?\s*(private|public|protected|readonly) \w/;
  expect(code.flatMap((file) => linesWith(file, pattern))).toEqual([]);
});

test('any is for nobody', () => {
  const pattern = /(:|<|,|\bas|\|)\s*any\b(?!\s*[:(])/;
  expect(code.flatMap((file) => linesWith(file, pattern))).toEqual([]);
});

test('default exports are for piscina threads and tools that ask for one', () => {
  const isThread = (path: string): boolean =>
    /thread[\w-]*\.ts$|^vitest\.config\.ts$/.test(path) || path.startsWith('test/');
  const found = code
    .filter(({ path }) => !isThread(path))
    .flatMap((file) => linesWith(file, /^export default/));
  expect(found).toEqual([]);
});

test('nothing is promised for later in place of the thing', () => {
  const later = new RegExp(
    `\\b(${['TO', 'FIX', 'XX', 'HA'].map((start, i) => start + ['DO', 'ME', 'X', 'CK'][i]).join('|')})\\b`,
  );
  const found = code.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, i) => (later.test(line) ? [`${path}:${i + 1}`] : [])),
  );
  expect(found).toEqual([]);
});

/** Effect → the adapters in which it may stand. */
const EFFECTS: readonly {
  readonly what: string;
  readonly pattern: RegExp;
  readonly adapters: RegExp;
}[] = [
  {
    what: 'the wall clock',
    pattern: /\bDate\.now\(|\bnew Date\(\)/,
    adapters: /^common\/clock\.ts$|^gateway\/files\.ts$/, // files.ts: when a model file was last used,
  },
  {
    what: 'randomness of the machine',
    pattern: /\bMath\.random\b|\brandomBytes\(|\brandomUUID\(/,
    adapters:
      /^common\/(random|ids|http\/service|store\/(file|file-temps|s3|settle))\.ts$|^coordinator\/snapshot\/footer\.ts$|^gateway\/files\.ts$/, // names of temporary files and requests
  },
  {
    what: 'HTTP of our own making',
    pattern: /(?<!async |[.\w])fetch\(/,
    adapters: /^deploy\/cluster\/http\.ts$|^cli\/call\.ts$/,
  },
  {
    what: 'the environment',
    pattern: /\bprocess\.env\b/,
    adapters:
      /(^|\/)(main|config)\.ts$|^common\/(config|crash|io-threads|child\/(child|host))\.ts$|^deploy\/(bootstrap|binaries|test)\.mjs$|^deploy\/cluster\/cluster\.ts$/,
  },
];

test.each(EFFECTS)('$what is met only in adapters', ({ pattern, adapters }) => {
  const found = ours
    .filter(({ path }) => !adapters.test(path))
    .flatMap((file) => linesWith(file, pattern));
  expect(found).toEqual([]);
});

test('every error code is thrown or answered somewhere', () => {
  const text = sources
    .filter(({ path }) => path !== 'common/errors.ts')
    .map((file) => file.text)
    .join('\n');
  const unused = Object.keys(CODES).filter((name) => !text.includes(`'${name}'`));
  expect(unused.length, unused.join()).toBeLessThanOrEqual(CODES_UNUSED_MAX);
});

test('every top folder has a README', () => {
  const folders = [...PARTS, 'deploy', 'test'].filter((folder) =>
    code.some(({ path }) => path.startsWith(`${folder}/`)),
  );
  expect(folders.filter((folder) => !existsSync(join(root, folder, 'README.md')))).toEqual([]);
  expect(existsSync(join(root, 'README.md'))).toBe(true);
});
