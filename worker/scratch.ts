// A folder of this worker alone, below GRISTMILL_SCRATCH.
// In: the folder that several workers may share. Out: a fresh folder; what dead workers left is removed.
// Why by process id: a killed worker cannot clean up, and its disk must not fill.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { WorkerId } from '../common/ids.ts';

export async function makeScratch(shared: string, worker: WorkerId): Promise<string> {
  const folder = join(resolve(shared), 'worker');
  await mkdir(folder, { recursive: true });
  await sweep(folder);
  const own = join(folder, `${process.pid}-${worker}`);
  await mkdir(own, { recursive: true, mode: 0o700 });
  return own;
}

/** Our own process id under another name is a worker before us in this container. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number.parseInt(name, 10);
    if (pid !== process.pid && isAlive(pid)) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM';
  }
}
