import { expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { makeLog } from '../../common/log.ts';

function logged(write: (log: ReturnType<typeof makeLog>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(makeLog('worker', { ...systemClock, now: () => 0 }, (line) => lines.push(line)));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a line says when, how bad, who and what, and then its fields', () => {
  expect(logged((log) => log.warn('task failed', { task: 't', error: new Error('no') }))).toEqual([
    {
      ...{ at: '1970-01-01T00:00:00.000Z', level: 'warn', role: 'worker', message: 'task failed' },
      ...{ task: 't', error: 'Error: no' },
    },
  ]);
});

test('no field takes the place of what the line says itself', () => {
  const [line] = logged((log) => log.error('lost', { message: 'x', role: 'coordinator', at: 5 }));
  expect(line).toMatchObject({ message: 'lost', role: 'worker', level: 'error' });
  expect(line).toMatchObject({ messageTold: 'x', roleTold: 'coordinator', atTold: 5 });
});

test('nobody writes lines into the log, nor long ones', () => {
  const [line] = logged((log) => log.info('x', { text: `a\n${'b'.repeat(1_000)}` }));
  expect(String(line?.text)).toHaveLength(256);
});
