// Every folder says what is in it: from README.md to any file in two steps, by names that are there.
// In: every README, the files beside it. Out: rooms without one, files that none names, names of files that are gone, pages that
// are more than a screen. Why a test: a file is added in a minute, and a README is read by whoever comes a year later.
//
// A folder of up to three files may be told of by the README above it, as `folder/file.ts`.
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { code, deploys, type File, files, root, sources } from './tree.ts';

/** More than that want an order to be read in. */
const FILES_TOLD_ABOVE_MAX = 3;
const LINES_MAX = 80;
const COLUMNS_MAX = 140;
/** A file in backticks: `x.ts`, `folder/x.ts`, `../x.ts`. */
const NAME = /`((?:\.\.?\/)*\w[\w./-]*\.(?:ts|mts|mjs|md|yaml|conf))`/g;
const LINK = /\]\(([^)#:]+)\)/g;

const readmes = files.filter(({ path }) => basename(path) === 'README.md');
/** A declaration is found beside what it declares. */
const ours = [...sources, ...deploys].filter(({ path }) => !path.endsWith('.d.mts'));
const folders = [...new Set(ours.map(({ path }) => dirname(path)))].sort();

const readmeIn = (folder: string): File | undefined =>
  readmes.find(({ path }) => path === join(folder, 'README.md'));
/** The README of a folder, or the next one above. */
const readmeOf = (folder: string): File => readmeIn(folder) ?? readmeOf(dirname(folder));
const filesIn = (folder: string): readonly File[] =>
  ours.filter(({ path }) => dirname(path) === folder);
const found = (pattern: RegExp, { text }: File): string[] =>
  [...text.matchAll(pattern)].map(([, name]) => name!);

test('every folder of more than a few files has a README', () => {
  const silent = folders.filter(
    (folder) => filesIn(folder).length > FILES_TOLD_ABOVE_MAX && !readmeIn(folder),
  );
  expect(silent).toEqual([]);
});

test('every file is named by the README of its folder, or by the next one above', () => {
  const unnamed = ours.filter(({ path }) => {
    const readme = readmeOf(dirname(path));
    return !found(NAME, readme).some((name) => join(dirname(readme.path), name) === path);
  });
  expect(unnamed.map(({ path }) => path)).toEqual([]);
});

test('every folder with a README is linked to by the next one above, folders of tests named', () => {
  const unlinked = readmes
    .filter(({ path }) => path !== 'README.md')
    .filter(({ path }) => {
      const above = readmeOf(dirname(dirname(path)));
      return !found(LINK, above).some((to) => join(dirname(above.path), to) === path);
    });
  expect(unlinked.map(({ path }) => path)).toEqual([]);

  const ofTests = new Set(code.flatMap(({ path }) => /^test\/([\w-]+)\//.exec(path)?.[1] ?? []));
  const told = readmeIn('test')!.text;
  expect([...ofTests].filter((name) => !told.includes(`${name}/`))).toEqual([]);
});

test('what a README names or links to is there', () => {
  const gone = readmes.flatMap((readme) => {
    const from = dirname(readme.path);
    const isThere = (name: string): boolean =>
      [join(root, from, name), join(root, name)].some(existsSync);
    return [...found(NAME, readme), ...found(LINK, readme)]
      .filter((name) => !isThere(name))
      .map((name) => `${readme.path}: ${name}`);
  });
  expect(gone).toEqual([]);
});

test('a README is a screen, but for the first one', () => {
  const long = readmes
    .filter(({ path }) => path !== 'README.md')
    .flatMap(({ path, text }) => {
      const lines = text.trimEnd().split('\n');
      const wide = lines.flatMap((line, i) =>
        line.length > COLUMNS_MAX ? [`${path}:${i + 1}`] : [],
      );
      return lines.length > LINES_MAX ? [`${path}: ${lines.length} lines`, ...wide] : wide;
    });
  expect(long).toEqual([]);
});
