// Text as a terminal counts it: colours take no room, control characters do no harm.
// In: text. Out: its width, the same text padded, cut, or harmless.
// Why apart: both what is printed once and what is painted over must fit.
import { stripVTControlCharacters } from 'node:util';

export type Stream = {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** What a server or a dataset says must not steer the terminal: only colours pass. */
export const harmless = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  text.replace(/(\x1b\[[0-9;]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (_all, colour?: string) =>
    colour === undefined ? '�' : colour,
  );

export const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;

export function pad(text: string, width: number, isRight = false): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return isRight ? space + text : text + space;
}

/** At most `width` columns; colours are kept and closed, a cut shows as "…". */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let seen = 0;
  let out = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours take no room
  for (const piece of text.match(/\x1b\[[0-9;]*m|./gsu) ?? []) {
    if (piece.startsWith('\x1b[')) out += piece;
    else if (seen < width - 1) {
      out += piece;
      seen += 1;
    } else if (seen === width - 1) {
      out += '…';
      seen += 1;
    }
  }
  return out;
}
