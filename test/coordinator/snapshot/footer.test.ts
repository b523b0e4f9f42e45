import { expect, test } from 'vitest';
import type { Child } from '../../../common/child/host.ts';
import { GristmillError } from '../../../common/errors.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { readFooter } from '../../../coordinator/snapshot/footer.ts';
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
        }, 5);
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
