import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sha256Hex } from '../../common/ids.ts';
import { openFileStore } from '../../common/store/file.ts';
import { keysOf } from '../common/store/contract.ts';

test('a process killed during creates leaves whole objects, and all that it was answered for', async () => {
  const root = await mkdtemp(join(tmpdir(), 'gristmill-kill-'));
  const answered: string[] = [];
  for (let kill = 0; kill < 4; kill++) answered.push(...(await runAndKill(root, `run${kill}`)));
  const store = await openFileStore(root);
  const keys = await keysOf(store, '');
  expect(answered.length).toBeGreaterThan(100);
  expect(keys).toEqual(expect.arrayContaining(answered));
  for (const key of keys) {
    const bytes = (await store.get(key))!;
    const body = bytes.subarray(64);
    expect(new TextDecoder().decode(bytes.subarray(0, 64)), key).toBe(sha256Hex(body));
  }
  await rm(root, { recursive: true });
});

/** Kills the process once it has been answered for a number of creates; gives their keys. */
function runAndKill(root: string, name: string): Promise<string[]> {
  const script = join(import.meta.dirname, 'store', 'creator.ts');
  const child = spawn(process.execPath, [script, root, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.split('\n').length > 60) child.kill('SIGKILL');
  });
  return new Promise((done) => {
    child.once('close', () => done(output.split('\n').slice(0, -1)));
  });
}
