import { expect, test } from 'vitest';
import { styleOf } from '../../cli/print.ts';
import { cut, harmless, widthOf } from '../../cli/text.ts';

test('cut() keeps within the width, closes colours and shows the cut', () => {
  expect(cut('abcdef', 4)).toBe('abc…');
  expect(cut('abc', 3)).toBe('abc');
  const red = cut(styleOf(true)('red', 'abcdef'), 3);
  expect(widthOf(red)).toBe(3);
  expect(red.endsWith('\x1b[39m')).toBe(true);
});

test('harmless() lets colours pass and nothing else that steers a terminal', () => {
  expect(harmless('\x1b[31mred\x1b[0m \x1b[2Jgone\x07\r')).toBe('\x1b[31mred\x1b[0m �[2Jgone��');
});
