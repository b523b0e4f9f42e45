import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Child } from '../../../common/child/host.ts';
import { openDuck } from '../../../common/engine/duckdb.ts';
import { GristmillError } from '../../../common/errors.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { readFooter } from '../../../coordinator/snapshot/footer.ts';
import coordinatorThread from '../../../coordinator/thread.ts';
import { inlineChild } from '../../support/inline-child.ts';
import { tempFolder } from '../../support/runner.ts';

/** Bytes that end as Parquet does: a footer of 8 bytes, its length, the magic. */
const FILE = Buffer.concat([Buffer.alloc(20), Buffer.from([8, 0, 0, 0]), Buffer.from('PAR1')]);

/** Three files twice, at once and then in turn: it dies of the second both times, with all that is in it. */
function fragileChild(): Pick<Child, 'call'> {
  const inside = new Set<(error: Error) => void>();
  let calls = 0;
  return {
    call: <T>() => {
      const isHostile = calls++ % 3 === 1;
      return new Promise<T>((resolve, reject) => {
        inside.add(reject);
        setTimeout(() => {
          inside.delete(reject);
          if (!isHostile) return resolve({ schema: [], rowGroups: [], rows: 0 } as T);
          const lost = new GristmillError('CHILD_LOST', 'The process ended by itself (SIGSEGV)');
          for (const end of [...inside, reject]) end(lost);
          inside.clear();
        }, 50);
      });
    },
  };
}

test('readFooter() names the file that kills the parser, not those beside it', async () => {
  const lake = memoryStore();
  const keys = ['a', 'b', 'c'];
  for (const key of keys) await lake.create(key, FILE);
  const child = fragileChild() as Child;
  const reads = await Promise.allSettled(
    keys.map(async (key) =>
      readFooter(lake, (await lake.head(key))!, { child, scratch: tempFolder() }),
    ),
  );
  const failed = reads.flatMap((read) =>
    read.status === 'rejected' ? [read.reason as GristmillError] : [],
  );
  expect(failed.map(({ code }) => code)).toEqual(['SHARD_UNREADABLE']);
});

test('readFooter() reads sound footers among unsound ones, at once, and leaves no file behind', async () => {
  const scratch = tempFolder();
  await using duck = await openDuck({
    ...{ memoryBytes: 2 ** 27, tempDir: tempFolder(), files: [], writeDir: scratch },
  });
  await duck.run(
    `COPY (SELECT i AS a FROM range(7) t(i)) TO '${scratch}/a.parquet' (FORMAT parquet)`,
  );
  const sound = await readFile(join(scratch, 'a.parquet'));
  const lake = memoryStore();
  for (let i = 0; i < 12; i++)
    await lake.create(
      String(i),
      i % 3 === 1 ? Buffer.from(sound).fill(0xa5, 40, sound.length - 8) : sound,
    );
  const child = inlineChild(coordinatorThread);
  const seen = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const object = (await lake.head(String(i)))!;
      return readFooter(lake, object, { child, scratch }).then(
        ({ rows }) => rows,
        ({ code }: GristmillError) => code,
      );
    }),
  );
  expect(seen).toEqual(
    Array.from({ length: 12 }, (_, i) => (i % 3 === 1 ? 'SHARD_UNREADABLE' : 7)),
  );
  expect(await readdir(join(scratch, `footers-${process.pid}`))).toEqual([]);
});
