// The drawing of the house in README.md, held against the imports.
// In: the lines "part: room, room → room" of the README; every import of a value. Out: rooms that are not drawn, arrows that run back.
// Why values alone: a type may be named from anywhere, but what runs flows one way. What a table loads late is no arrow either.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { deploys, importsOf, PARTS, root, sources, withoutComments } from './tree.ts';

const HEADING = '## The house';
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const drawn = readme.slice(readme.indexOf(HEADING)).split('\n## ')[0]!;
const DRAWING: ReadonlyMap<string, readonly (readonly string[])[]> = new Map(
  [...drawn.matchAll(/^ {4}(\w+): +(.+)$/gm)].map(([, part, rooms]) => [
    part!,
    rooms!.split('→').map((floor) => floor.split(',').map((room) => room.trim())),
  ]),
);

const roomOf = (path: string): { readonly part: string; readonly room: string | undefined } => {
  const [part, ...rest] = path.split('/');
  return { part: part!, room: rest.length > 1 ? rest[0] : undefined };
};

/** Imports of values at the top of a file. */
const valueImports = (path: string, text: string) =>
  importsOf({
    path,
    text: withoutComments(text)
      .replace(/^(?:import|export) type [^;]*? from\s*'[^']+';/gm, '')
      .replace(/^import \{(?:\s*type \w+(?: as \w+)?,?)+\s*\} from\s*'[^']+';/gm, '')
      .replace(/\bimport\(\s*'[^']+'\)|new URL\('[^']+', import\.meta\.url\)/g, ''),
  }).filter(({ isPackage }) => !isPackage);

const ours = [...sources, ...deploys];

test.each([...PARTS, 'deploy'].filter((part) => DRAWING.has(part) || hasRooms(part)))(
  '%s: every room is drawn, once',
  (part) => {
    const rooms = new Set(
      ours
        .map(({ path }) => roomOf(path))
        .flatMap((one) => (one.part === part ? (one.room ?? []) : [])),
    );
    expect((DRAWING.get(part) ?? []).flat().sort()).toEqual([...rooms].sort());
  },
);

test('values flow from the rooms on the left to those on the right', () => {
  const floorOf = ({ part, room }: ReturnType<typeof roomOf>): number =>
    (DRAWING.get(part) ?? []).findIndex((floor) => floor.includes(room!));
  const back = ours.flatMap(({ path, text }) =>
    valueImports(path, text).filter(({ from, to }) => {
      const [a, b] = [roomOf(from), roomOf(to)];
      if (a.part !== b.part || !a.room || !b.room || a.room === b.room) return false;
      return floorOf(a) >= floorOf(b);
    }),
  );
  expect(back.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

function hasRooms(part: string): boolean {
  return ours.some(({ path }) => path.startsWith(`${part}/`) && path.split('/').length > 2);
}
