// Compiled code for the processes that live tests start: hundreds, each of which would strip and compile the same sources.
// In: nothing. Out: $NODE_COMPILE_CACHE, and in it what each role, its child and the command line load.
// Why ahead: Node writes its cache as a process ends well, and those of the tests are mostly killed.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cwd = join(import.meta.dirname, '../..');
const MAINS = ['coordinator', 'worker', 'gateway', 'cli'];
const IN_CHILDREN = [
  'piscina',
  ...['coordinator', 'worker', 'gateway'].map((role) => `./${role}/thread.ts`),
  './worker/train/resident.ts',
];

export default async function warm(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-compiled-'));
  process.env.NODE_COMPILE_CACHE = folder;
  const imports = IN_CHILDREN.map((module) => `import '${module}';`).join('');
  await Promise.all([
    ...MAINS.map((role) => run(process.execPath, [`${role}/main.ts`, '--help'], { cwd })),
    run(process.execPath, ['--input-type=module', '-e', imports], { cwd }),
  ]);
  return () => rm(folder, { recursive: true, force: true });
}
