// Numbers as a person reads them: counts, sizes, durations, figures.
// In: numbers. Out: text, the same on every machine. Why here: the command line and the quickstart say the same things.

export const whole = (n: number): string => Math.round(n).toLocaleString('en-US');
export const count = (n: number, noun: string): string =>
  `${whole(n)} ${noun}${n === 1 ? '' : 's'}`;

export function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  if (bytes >= 1e3) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${bytes} B`;
}

/** 0.8 s, 41 s, 3 min 5 s, 2 h 10 min, 4 d. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d`;
}

/** Three digits that matter, never more than a person compares. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e6 || size < 1e-4) return value.toExponential(3);
  if (size >= 1000) return whole(value);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4);
}

/** With its sign: a change. */
export const signed = (value: number): string =>
  `${value < 0 ? '−' : '+'}${figure(Math.abs(value))}`;
