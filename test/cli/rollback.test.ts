// `model rollback` walks back, and never forward again.
// In: histories of an alias, newest last. Out: the version that it is moved to, or why there is none.
import { expect, test } from 'vitest';
import type { Client } from '../../cli/client.ts';
import { rollback } from '../../cli/commands/model.ts';
import { programIn } from '../../cli/config.ts';
import type { Context } from '../../cli/context.ts';

async function rollBack(versions: readonly (number | null)[], to?: number): Promise<unknown> {
  const history = versions.map((version, i) => ({ version, entry: i + 1 })).reverse();
  let moved: unknown;
  const client = {
    aliasHistory: async () => history,
    moveAlias: async (_place: unknown, move: { version: number; seen: number }) => {
      moved = move.version;
      expect(move.seen).toBe(versions.length);
      return move;
    },
  } as unknown as Client;
  const out = { isJson: true, json: () => {} } as unknown as Context['out'];
  const options = { environment: 'dev', alias: 'champion', ...(to === undefined ? {} : { to }) };
  await rollback({ client, out } as Context, ['m'], options);
  return moved;
}

test.each([
  [[1, 2, 3], 2],
  [[1, 2, 3, 2], 1], // a second one goes further back
  [[1, 3, 3], 1], // a refusal leaves the version as it was
  [[1, 2, 1, 4], 1], // what was undone is not gone back to
  [[1, null, 3], 1],
  [[1, 2, null], 2],
])('rollback() of %j goes to %i', async (versions, to) => {
  expect(await rollBack(versions)).toBe(to);
});

test.each([[[3]], [[1, 3, 1]], [[1, 2, 3, 2, 1]], [[null]]])(
  'rollback() of %j says that nothing is before it',
  async (versions) => {
    await expect(rollBack(versions)).rejects.toThrow(/nothing is before it.*--to N/);
  },
);

test('rollback() --to goes to any version that was served', async () => {
  expect(await rollBack([1, 3, 1], 3)).toBe(3);
});

test('programIn() says what to type in a checkout and in a package', () => {
  expect(programIn(new URL('../../cli', import.meta.url).pathname)).toBe('npm run gristmill --');
  expect(programIn('/nowhere/dist/cli')).toBe('npx gristmill');
});
