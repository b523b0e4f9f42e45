// Where the words go: permanent lines, and below them one line of progress.
// In: text. Out: a terminal with a bar that is drawn over, or plain lines, the progress at most every 5 seconds.
// Why two ways: a bar drawn into a log file is noise; a terminal without one looks stuck.

export type Screen = {
  line(text?: string): void;
  /** Shows where things stand; replaced by the next call and by any line. */
  progress(text: string, share?: number): void;
  clear(): void;
};

type Output = { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };

const PLAIN_EVERY_MS = 5_000;
const BAR_WIDTH = 24;

export function makeScreen(output: Output, monotonicMs: () => number): Screen {
  return output.isTTY ? terminalScreen(output) : plainScreen(output, monotonicMs);
}

function terminalScreen(output: Output): Screen {
  let isDrawn = false;
  const clear = (): void => {
    if (isDrawn) output.write('\r\x1b[K');
    isDrawn = false;
  };
  return {
    line(text = '') {
      clear();
      output.write(`${text}\n`);
    },
    progress(text, share) {
      const whole = share === undefined ? text : `${bar(share)} ${text}`;
      output.write(`\r\x1b[K${whole.slice(0, (output.columns ?? 80) - 1)}`);
      isDrawn = true;
    },
    clear,
  };
}

function plainScreen(output: Output, monotonicMs: () => number): Screen {
  let saidMs = monotonicMs();
  let last = '';
  return {
    line(text = '') {
      output.write(`${text}\n`);
      saidMs = monotonicMs();
    },
    progress(text) {
      if (text === last || monotonicMs() - saidMs < PLAIN_EVERY_MS) return;
      output.write(`  … ${text}\n`);
      saidMs = monotonicMs();
      last = text;
    },
    clear() {},
  };
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
}
