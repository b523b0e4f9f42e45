// How figures, tables and errors look; and where they go.
// In: values. Out: text on standard output, errors on standard error; with --json nothing but JSON.
// Why `style` is a parameter of everything: colours are for terminals, and NO_COLOR is obeyed in one place.
import { styleText } from 'node:util';
import { duration } from '../common/words/figures.ts';
import { makeScreen, type Screen } from './screen.ts';
import { cut, harmless, pad, type Stream, widthOf } from './text.ts';

export type Tone = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
/** Text in a tone, or the same text where there are no colours. */
export type Style = (tone: Tone | readonly Tone[], text: string) => string;

export type Output = {
  /** --json: line() and table() print nothing. */
  readonly isJson: boolean;
  readonly isTerminal: boolean;
  /** Of the terminal; Infinity where there is none: nothing is cut in a file. */
  readonly columns: number;
  readonly style: Style;
  line(text?: string): void;
  /** For a person, on standard error, also with --json. */
  note(text: string): void;
  table(table: Table): void;
  /** One JSON document, or one of several lines of JSON. */
  json(value: unknown): void;
  /** Lines that are painted over, for things that change. */
  screen(): Screen;
};

export type Table = {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of figures, by index. */
  readonly right?: readonly number[];
};

export function makeOutput(options: {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly isJson: boolean;
  readonly hasColours: boolean;
}): Output {
  const { stdout, stderr, isJson } = options;
  const style = styleOf(options.hasColours);
  const isTerminal = stdout.isTTY === true;
  const line = (text = ''): void => {
    if (!isJson) stdout.write(`${harmless(text)}\n`);
  };
  return {
    isJson,
    isTerminal,
    get columns() {
      return isTerminal ? stdout.columns || 80 : Number.POSITIVE_INFINITY;
    },
    style,
    line,
    note: (text) => void stderr.write(`${harmless(text)}\n`),
    table(table) {
      const width = isTerminal ? stdout.columns || 80 : Number.POSITIVE_INFINITY;
      for (const one of tableLines(table, style)) line(cut(one, width));
    },
    json: (value) => void stdout.write(`${JSON.stringify(value)}\n`),
    screen: () => makeScreen(stdout),
  };
}

export const styleOf =
  (hasColours: boolean): Style =>
  (tone, text) =>
    hasColours ? styleText(tone as Tone, text, { validateStream: false }) : text;

export function tableLines({ head, rows, right = [] }: Table, style: Style): string[] {
  const widths = head.map((title, index) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => pad(cell, widths[index]!, right.includes(index)))
      .join('  ')
      .trimEnd();
  return [style('dim', lineOf(head)), ...rows.map(lineOf)];
}

export const age = (at: number, now: number): string =>
  now - at < 10_000 ? 'now' : `${duration((now - at) / 1000)} ago`;

/** 2026-11-23 03:15:00Z: as in the coordinator's record, and sorted as text. */
export const moment = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`;
