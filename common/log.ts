// One JSON line an event, on standard error.
// In: a message and fields. Out: a line; values are cut at 256 characters, so that nobody writes lines into our log.
import type { Clock } from './clock.ts';

export type Fields = Readonly<Record<string, unknown>>;
export type Log = {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
};

export function makeLog(
  role: string,
  clock: Clock,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  const line =
    (level: string) =>
    (message: string, fields: Fields = {}): void => {
      const cut = Object.fromEntries(
        Object.entries(fields).map(([key, value]) => [
          OWN.has(key) ? `${key}Told` : key,
          cutValue(value),
        ]),
      );
      write(
        `${JSON.stringify({ at: new Date(clock.now()).toISOString(), level, role, message, ...cut })}\n`,
      );
    };
  return { info: line('info'), warn: line('warn'), error: line('error') };
}

/** What each line has of its own: a field of that name stands beside it. */
const OWN: ReadonlySet<string> = new Set(['at', 'level', 'role', 'message']);

function cutValue(value: unknown): unknown {
  if (value instanceof Error) return `${value.name}: ${value.message}`.slice(0, 512);
  if (typeof value === 'string') return value.slice(0, 256);
  if (typeof value === 'object' && value !== null) return JSON.stringify(value).slice(0, 512);
  return value;
}

export const silentLog: Log = { info() {}, warn() {}, error() {} };
