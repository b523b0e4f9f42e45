// What a person reads, and the JSON that a person edits. In: choices. Out: lines of a width, text that parses.
import { expect, test } from 'vitest';
import { chooseJob } from '../../../cli/init/choose.ts';
import { formatJson } from '../../../cli/init/format.ts';
import { storyLines, wrap } from '../../../cli/init/story.ts';
import { styleOf } from '../../../cli/print.ts';
import { widthOf } from '../../../cli/text.ts';
import { column, dataset, text, time, whole } from './dataset.ts';

const view = dataset([
  column('Production Budget in dollars of the year', { nulls: 4_000, labelExplained: 0.7 }),
  whole('vendor_id', 1, 9),
  text('uuid', 10_000),
  time('departed', '2001-01-01T00:00:00Z', '2001-12-31T20:00:00Z', {
    type: 'TIMESTAMP WITH TIME ZONE',
  }),
]);
const { job, reasons } = chooseJob(view, { name: 'trips', schemaUrl: 'http://c/s', now: 2e12 });

test.each([50, 80, 119, 120, 160])('storyLines() fits %d columns, colours or not', (columns) => {
  for (const style of [styleOf(false), styleOf(true)]) {
    const lines = storyLines({ view, reasons }, { style, columns });
    expect(lines.filter((line) => widthOf(line) > columns)).toEqual([]);
  }
});

test('storyLines() tells each column, each section and each warning', () => {
  const told = storyLines({ view, reasons }, { style: styleOf(false), columns: Infinity });
  const one = (start: string) => told.find((line) => line.startsWith(start));
  for (const { name } of view.columns) expect(one(name.slice(0, 20)), name).toBeDefined();
  expect(one('uuid')).toMatch(/left out +an identifier: 10,000 different values in 10,000 rows$/);
  expect(one('vendor_id')).toContain('vendor_id = 1 · vendor_id = 2 · … (9 features)');
  for (const title of ['label', 'split', 'model']) expect(one(title), title).toBeDefined();
  expect(one('-')).toContain('70 % of it');
});

test('wrap() cuts at spaces, and words that are longer than a line', () => {
  expect(wrap('ab cd efghij', 5)).toEqual(['ab cd', 'efghi', 'j']);
  expect(wrap('ab cd', Infinity)).toEqual(['ab cd']);
});

test('formatJson() is the same value, short things on one line and each feature on its own', () => {
  const formatted = formatJson(job, ['features']);
  expect(JSON.parse(formatted)).toEqual(job);
  expect(formatted).toContain('\n  "publish": { "model": "trips" }\n');
  expect(formatted).toContain('\n    "vendor_id_1": "vendor_id = 1",\n');
  expect(JSON.parse(formatJson({ a: [], b: {}, c: [{ d: null }] }))).toEqual({
    ...{ a: [], b: {}, c: [{ d: null }] },
  });
});
