// Figures, tables, cuts and the painted screen.
import { expect, test } from 'vitest';
import { age, makeOutput, styleOf, tableLines } from '../../cli/print.ts';
import { makeScreen } from '../../cli/screen.ts';
import { widthOf } from '../../cli/text.ts';
import { duration, figure, size } from '../../common/words/figures.ts';

const stream = (more: object = {}) => {
  const written: string[] = [];
  return { written, write: (text: string) => void written.push(text), ...more };
};

test.each([
  [0, '0'],
  [0.69123, '0.6912'],
  [12.3456, '12.35'],
  [1234.5, '1,235'],
  [1.5e9, '1.500e+9'],
  [0.0000012, '1.200e-6'],
])('figure(%d) is %s', (value, text) => expect(figure(value)).toBe(text));

test('duration(), age() and size() are what a person says', () => {
  expect([0.04, 9.96, 41, 185, 7800, 400_000].map(duration)).toEqual([
    '0.0 s',
    '10.0 s',
    '41 s',
    '3 min 5 s',
    '2 h 10 min',
    '4 d',
  ]);
  expect([age(0, 5_000), age(0, 60_000)]).toEqual(['now', '1 min 0 s ago']);
  expect([512, 1500, 12_400_000, 3e9].map(size)).toEqual(['512 B', '1.5 kB', '12.4 MB', '3.0 GB']);
});

test('tableLines() aligns by what is seen, colours apart', () => {
  const green = styleOf(true)('green', 'ok');
  const lines = tableLines(
    {
      head: ['A', 'N'],
      right: [1],
      rows: [
        [green, '5'],
        ['longer', '10'],
      ],
    },
    styleOf(false),
  );
  expect(lines.map(widthOf)).toEqual([10, 10, 10]);
});

test('makeOutput() with --json prints JSON and nothing else', () => {
  const stdout = stream();
  const out = makeOutput({ stdout, stderr: stream(), isJson: true, hasColours: false });
  out.line('words');
  out.table({ head: ['A'], rows: [['1']] });
  out.json({ a: 1 });
  expect(stdout.written).toEqual(['{"a":1}\n']);
});

test('makeOutput() cuts tables to a terminal and never in a file', () => {
  const table = { head: ['A'], rows: [['x'.repeat(50)]] };
  const terminal = stream({ isTTY: true, columns: 20 });
  const file = stream();
  for (const stdout of [terminal, file]) {
    makeOutput({ stdout, stderr: stream(), isJson: false, hasColours: false }).table(table);
  }
  expect(terminal.written[1]).toBe(`${'x'.repeat(19)}…\n`);
  expect(file.written[1]).toBe(`${'x'.repeat(50)}\n`);
});

test('makeScreen() paints over what it showed, cuts to the terminal, and shows the cursor again', () => {
  const terminal = stream({ isTTY: true, columns: 10, rows: 3 });
  const screen = makeScreen(terminal);
  screen.paint(['one', 'a line that is too long']);
  screen.paint(['one', 'a line that is too long']);
  expect(terminal.written).toHaveLength(1);
  screen.paint(['1', '2', '3']);
  expect(terminal.written[1]).toContain('\x1b[2A');
  expect(terminal.written[1]).not.toContain('1\n');
  screen.leave();
  expect(terminal.written.at(-1)).toBe('\x1b[?25h');
});

test('makeScreen() writes nothing where there is no terminal', () => {
  const file = stream();
  makeScreen(file).paint(['one']);
  expect(file.written).toEqual([]);
});
