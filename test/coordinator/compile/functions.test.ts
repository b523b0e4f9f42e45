// Checks that the page of feature functions is the one that compiles.
// In: FUNCTIONS, OPERATORS, functions.md. Out: the same rows. Why: documentation that differs is worse than none.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { FUNCTIONS, OPERATORS } from '../../../coordinator/compile/functions.ts';
import { PROBES } from '../../../coordinator/compile/probes.ts';

const PAGE = new URL('../../../coordinator/compile/functions.md', import.meta.url);

test('functions.md holds every function and form, with what they do', async () => {
  const text = await readFile(PAGE, 'utf8');
  const wanted = [
    '| function | gives | what |',
    '| --- | --- | --- |',
    ...FUNCTIONS.map(({ example, gives, says }) => `| \`${example}\` | ${gives} | ${says} |`),
    '',
    '| form | what |',
    '| --- | --- |',
    ...OPERATORS.map(({ form, says }) => `| \`${form}\` | ${says} |`),
  ].join('\n');
  const found = text.slice(text.indexOf('| function | gives'), text.indexOf('\n\nOdd input'));
  expect(found).toBe(wanted);
});

test('every function says what it does with every odd input of its kind', () => {
  const kinds = Object.values(PROBES).map((probes) => Object.keys(probes).join());
  for (const { name, on } of FUNCTIONS) expect(kinds, name).toContain(Object.keys(on).join());
});
