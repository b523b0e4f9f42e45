// `trigger list`: what fires, and what this coordinator cannot read. In: the coordinator's answer. Out: lines.
import { expect, test } from 'vitest';
import type { Client, TriggerList } from '../../cli/client.ts';
import { list } from '../../cli/commands/trigger.ts';
import type { Context } from '../../cli/context.ts';

async function listed(answer: TriggerList): Promise<string[]> {
  const lines: string[] = [];
  const out = {
    ...{ isJson: false, style: (_how: unknown, text: string) => text },
    line: (text: string) => void lines.push(text),
    table: ({ rows }: { rows: string[][] }) => void lines.push(...rows.map((row) => row[0]!)),
  } as unknown as Context['out'];
  const client = { triggers: async () => answer } as unknown as Client;
  await list({ client, out, clock: { now: () => 0 } } as unknown as Context, [], {});
  return lines;
}

const nightly = {
  ...{ name: 'nightly', when: '0 3 * * *', entry: 1, updatedAt: 0, nextAt: [5], firings: [] },
  spec: { paused: false },
} as unknown as TriggerList['triggers'][number];
const error = { code: 'FORMAT_UNKNOWN', message: 'Cannot read b' } as const;

test('list() tells triggers, and those that cannot be read', async () => {
  expect(await listed({ triggers: [], unreadable: [] })).toEqual([
    'There are no triggers. To create one: gristmill trigger apply FILE',
  ]);
  expect(await listed({ triggers: [nightly], unreadable: [{ name: 'b', error }] })).toEqual([
    'nightly',
    'b is never fired: Cannot read b. Apply it anew, or remove it',
  ]);
  expect(await listed({ triggers: [], unreadable: [{ name: 'b', error }] })).toEqual([
    'b is never fired: Cannot read b. Apply it anew, or remove it',
  ]);
});
