// Fault points: places where a test makes the process die as by power cut.
// In: GRISTMILL_CRASH=name or name:count. Out: SIGKILL at the count-th passage of that point.
// Why in the product: the moments between two writes cannot be hit from outside.

export const CRASH_POINTS = [
  'task.afterPull',
  'task.afterFetch',
  'task.afterRun',
  'commit.afterData',
  'commit.afterPut',
  'commit.afterGroup',
  'commit.afterAck',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

let armed: { readonly name: string; left: number } | undefined;

/** "" disarms. */
export function armCrash(setting: string): void {
  const [name = '', count = '1'] = setting.split(':');
  armed = name === '' ? undefined : { name, left: Number(count) };
}

export function crashPoint(name: CrashPoint): void {
  if (armed?.name !== name) return;
  armed.left -= 1;
  if (armed.left === 0) process.kill(process.pid, 'SIGKILL');
}
