import fc from 'fast-check';
import { expect, test } from 'vitest';
import { prettyJson } from '../../common/pretty-json.ts';

test('prettyJson() keeps in a line what fits, and breaks what does not', () => {
  const job = {
    name: 'a',
    features: { hour: 'category(hour(date))', origin: 'vocabulary(origin, 500)' },
  };
  expect(prettyJson(job, 60)).toBe(
    `{
  "name": "a",
  "features": {
    "hour": "category(hour(date))",
    "origin": "vocabulary(origin, 500)"
  }
}`,
  );
  expect(prettyJson({ hidden: [64, 32] })).toBe('{ "hidden": [64, 32] }');
});

test('prettyJson() is the same value for every JSON and width', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 1, max: 100 }), (value, width) => {
      expect(JSON.parse(prettyJson(value, width))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
