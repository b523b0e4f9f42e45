// Lines that change in place.
// In: the lines as they shall be now. Out: a terminal repainted; elsewhere nothing.
// Why whole frames: a frame that is cut to the terminal's size never wraps, so the cursor knows its way back.
import { cut, harmless, type Stream } from './text.ts';

export type Screen = {
  /** Replaces what the last paint() showed. */
  paint(lines: readonly string[]): void;
  /** What was painted last stays; the cursor is below it. */
  leave(): void;
};

const HIDE = '\x1b[?25l';
const SHOW = '\x1b[?25h';
const CLEAR_LINE = '\x1b[2K';
const CLEAR_BELOW = '\x1b[J';

export function makeScreen(stream: Stream): Screen {
  if (stream.isTTY !== true) return { paint() {}, leave() {} };
  let shown: readonly string[] = [];
  const isShown = (lines: readonly string[]): boolean =>
    lines.length === shown.length && lines.every((line, index) => line === shown[index]);
  return {
    paint(lines) {
      const width = Math.max(1, (stream.columns || 80) - 1);
      const room = Math.max(1, (stream.rows ?? 24) - 1);
      const frame = lines.slice(-room).map((line) => cut(harmless(line), width));
      if (isShown(frame)) return;
      const up = shown.length > 0 ? `\x1b[${shown.length}A\r` : '';
      const body = frame.map((line) => `${CLEAR_LINE}${line}\n`).join('');
      stream.write(`${HIDE}${up}${body}${CLEAR_BELOW}`);
      shown = frame;
    },
    leave() {
      if (shown.length > 0) stream.write(SHOW);
      shown = [];
    },
  };
}
