// compileGlob(): what a shell would match, at a cost that no pattern can raise above pattern times name.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileGlob } from '../../../coordinator/snapshot/glob.ts';

const matches = (pattern: string, name: string): boolean => compileGlob(pattern).matches(name);

test.each<[string, readonly string[], readonly string[]]>([
  ['a/*.p', ['a/b.p', 'a/.p'], ['a/b/c.p', 'b/b.p', 'a/bxp']],
  ['a/**/*.p', ['a/b.p', 'a/x/b.p', 'a/x/y/b.p'], ['b.p', 'ab.p', 'a/b.q']],
  ['**/b', ['b', 'a/b', 'a/c/b'], ['ab', 'b/a']],
  ['a/**', ['a/b', 'a/b/c'], ['a', 'ab/c']],
  ['a**b', ['ab', 'axxb'], ['a/b']],
  ['a?c', ['abc', 'aüc', 'a😀c'], ['ac', 'a/c']],
  ['[a-c]x', ['ax', 'cx'], ['dx', '/x']],
  ['[!a-c]x', ['dx'], ['ax', '/x']],
  ['[^a]', ['b'], ['a']],
  ['[]a]', [']', 'a'], ['b']],
  ['[adg]', ['a', 'd', 'g'], ['b', 'e', ']']],
  ['x[ab]yz', ['xayz', 'xbyz'], ['xa', 'xayzz']],
  ['a[b]', ['ab'], ['a', 'abb']],
  ['[-a]', ['-', 'a'], ['b']],
  ['[ab', ['[ab'], ['a']],
  ['x{a,bc}y', ['xay', 'xbcy'], ['xy', 'xaby']],
  ['x{,1}', ['x', 'x1'], ['x2']],
  ['{a,b{c,d}}', ['a', 'bc', 'bd'], ['b', 'c']],
  ['{a/*,b}/c', ['a/x/c', 'b/c'], ['a/c']],
  ['{**/a,b}', ['a', 'x/y/a', 'b'], ['x/b']],
  ['{a}', ['{a}'], ['a']],
  ['{a', ['{a'], ['a']],
  ['{a,b', ['{a,b'], ['a', 'b']],
  ['x{1..2y', ['x{1..2y'], ['x1', 'x2', 'x1y']],
  ['x{1..2}yz', ['x1yz', 'x2yz'], ['x1', 'x1zz']],
  ['{1..3}', ['1', '3'], ['1.5', '1e0']],
  ['{-999999999..999999999}', ['-999999999', '999999999', '0'], ['-1000000000', '1000000000']],
  ['m{01..12}', ['m01', 'm12'], ['m1', 'm00', 'm13', 'm012']],
  ['m{1..12}', ['m1', 'm12'], ['m01', 'm0', 'm13']],
  ['{12..1}', ['1', '12'], ['13']],
  ['{-2..2}', ['-2', '0', '2'], ['-3', '3']],
  ['{c..a}', ['a', 'b', 'c'], ['d']],
  ['{1..9999}{1..9999}', ['11', '12345678'], ['1', '1a']],
  ['data (1)+|.p', ['data (1)+|.p'], ['data 1.p']],
  ['a\\*b', ['a*b'], ['axb']],
  ['!a', ['!a'], ['a', 'b']],
  ['a\\', ['a\\'], ['a', 'ab']], // it escapes nothing
  ['{a\\,b,c}', ['a,b', 'c'], ['a', 'b']],
  ['{a\\}b,c}', ['a}b', 'c'], ['a']],
  ['[a-]', ['a', '-'], ['b']],
  ['[!]', ['[!]'], ['a']],
  ['[!]a]', ['b'], [']', 'a']],
  ['[a-c-e]', ['b', '-', 'e'], ['d']],
  ['{A..C}', ['A', 'C'], ['D', 'a']],
  ['{a..C}', ['{a..C}'], ['a', 'b']],
  ['{1..01}', ['01'], ['1']],
  ['{-05..5}', ['-05', '005'], ['5', '-5']],
  ['a{b,**}', ['ab', 'ac'], ['a/b']],
  ['a/{b,**}', ['a/b', 'a/c/d'], ['b']],
  ['a/{b,**}c', ['a/bc', 'a/xc'], ['a/x/c']],
])('%s matches as shells do', (pattern, yes, no) => {
  for (const name of yes) expect([name, matches(pattern, name)]).toEqual([name, true]);
  for (const name of no) expect([name, matches(pattern, name)]).toEqual([name, false]);
});

describe('what matching costs', () => {
  const stepsOf = (pattern: string, name: string): number => {
    const glob = compileGlob(pattern);
    glob.matches(name);
    return glob.steps;
  };

  test('a pattern made to go back and forth takes a few steps a character', () => {
    const pattern = 'trips/*?*?*?*?*?*?*?*?*?x';
    const of = (length: number) => stepsOf(pattern, `trips/${'a'.repeat(length)}`);
    expect(of(1000)).toBeLessThan(4 * pattern.length * 1010);
    expect(of(2000) - of(1000)).toBe(of(3000) - of(2000));
    expect(matches(pattern, `trips/${'a'.repeat(1000)}x`)).toBe(true);
  });

  test.each([
    ['{1..9999}{1..9999}{1..9999}', '1'.repeat(1000)],
    [`${'{a,'.repeat(200)}b${'}'.repeat(200)}`, 'a'.repeat(1000)],
    [`${'{a,b}'.repeat(200)}`, 'a'.repeat(200)],
    ['**/'.repeat(300), 'a/'.repeat(500)],
    ['*'.repeat(1024), 'a'.repeat(1000)],
  ])('%.40s', (pattern, name) => {
    expect(stepsOf(pattern, name)).toBeLessThan(6 * pattern.length * (name.length + 1));
  });

  test('steps are counted over all names that were asked for', () => {
    const glob = compileGlob('ab');
    expect(glob.steps).toBe(0);
    glob.matches('ab');
    expect(glob.steps).toBe(3); // a, b, the end
    glob.matches('x');
    expect(glob.steps).toBe(4);
  });

  test('a pattern that is too long is refused with how long it may be', () => {
    expect(() => compileGlob('a'.repeat(1025))).toThrow(
      expect.objectContaining({
        code: 'INPUT_PATTERN',
        message: `Cannot read dataset "${'a'.repeat(60)}…": its pattern has 1025 characters, expected at most 1024`,
      }),
    );
  });
});

/** By trying everything: for short patterns without braces and classes. */
function isMatch(pattern: string, name: string, isStart = true): boolean {
  const [head] = pattern;
  if (head === undefined) return name === '';
  if (isStart && /^\*\*+\//.test(pattern)) {
    const rest = pattern.replace(/^\*+\//, '');
    const cuts = [0, ...[...name.matchAll(/\//g)].map(({ index }) => index + 1)];
    return cuts.some((cut) => isMatch(rest, name.slice(cut)));
  }
  if (isStart && /^\*\*+$/.test(pattern)) return true;
  if (head === '*') {
    const rest = pattern.replace(/^\*+/, '');
    const most = /^[^/]*/.exec(name)![0].length;
    return Array.from({ length: most + 1 }, (_, i) => i).some((i) =>
      isMatch(rest, name.slice(i), false),
    );
  }
  if (name === '' || (head === '?' ? name[0] === '/' : name[0] !== head)) return false;
  return isMatch(pattern.slice(1), name.slice(1), head === '/');
}

test('it agrees with a matcher that tries everything', () => {
  const seed = Number(process.env.SEED ?? 20260103);
  console.info(`seed ${seed}`);
  const text = (chars: string[], maxLength: number) =>
    fc.array(fc.constantFrom(...chars), { maxLength }).map((all) => all.join(''));
  fc.assert(
    fc.property(
      text(['a', 'b', '/', '*', '**', '**/', '?'], 7),
      text(['a', 'b', '/'], 8),
      (p, n) => {
        expect(matches(p, n), `${p} on ${n}`).toBe(isMatch(p, n));
      },
    ),
    { numRuns: 20_000, seed },
  );
});
