// Mutated Parquet at the line's front: the coordinator's footers, then a worker's fetch and prepare, in real children.
// In: one sound file, mutated by a seed. Out: each call ends; refused by name, or every row that the footer claims is
// accounted for. And the children, whatever they met, do the sound file as before.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { startChild } from '../../common/child/host.ts';
import { systemClock } from '../../common/clock.ts';
import { openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';
import { Philox } from '../../common/random.ts';
import type { PrepareProgram, PrepareResult } from '../../common/stage/prepare.ts';
import { openStore } from '../../common/store/open.ts';
import type { Shard } from '../../common/wire/task.ts';
import { cutShards } from '../../coordinator/plan/shards.ts';
import { makeTask, saveProgram } from '../../coordinator/plan/tasks.ts';
import { readFooter } from '../../coordinator/snapshot/footer.ts';
import { buildSnapshot } from '../../coordinator/snapshot/snapshot.ts';
import { Fetcher } from '../../worker/fetch.ts';
import type { Outcome } from '../../worker/stage/runner.ts';
import { tempFolder } from '../support/runner.ts';

const FILES = 100;
const ROWS = 3_000;
const DEADLINE_MS = 20_000;
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

const program: PrepareProgram = {
  formatVersion: 1,
  kind: 'prepare',
  columns: [
    { name: 'x', type: 'number', sql: 'x::DOUBLE' },
    { name: 'word', type: 'string', sql: 'word' },
  ],
  reads: ['x', 'word', 'at'],
  rules: [{ name: 'filter(x > 10)', sql: 'x > 10' }],
  label: { sql: 'x > 500', kind: 'binary' },
  split: { sql: 'epoch_us("at")', by: 'time' },
  buckets: 64,
};

/** Either pages or the footer: a file that claims too much, and one whose claims are true of bad bytes. */
function mutate(sound: Buffer, random: Philox): Buffer {
  const bytes = Buffer.from(sound);
  const footer = bytes.length - bytes.readUInt32LE(bytes.length - 8) - 8;
  const isFooter = random.below(3) === 0;
  const spot = (): number =>
    isFooter ? footer + random.below(bytes.length - footer) : 4 + random.below(footer - 4);
  switch (random.below(8)) {
    case 0:
      return bytes.subarray(0, random.below(bytes.length));
    case 1: {
      const start = spot();
      return bytes.fill(0, start, Math.min(bytes.length, start + 1 + random.below(64)));
    }
    case 2: {
      const [from, to] = [spot(), spot()];
      bytes.copyWithin(to, from, from + 1 + random.below(200));
      return bytes;
    }
    case 3: {
      const at = spot();
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(16))]);
    }
    default:
      for (let n = 1 + random.below(8); n > 0; n--) bytes[spot()]! ^= 1 << random.below(8);
      return bytes;
  }
}

test(`${FILES} mutated files are refused by name or counted to the last row (SEED=${seed})`, async () => {
  const folder = tempFolder();
  const lakeFolder = join(folder, 'lake');
  const scratch = join(folder, 'scratch');
  await mkdir(lakeFolder);
  await mkdir(scratch);
  const sound = await writeSound(lakeFolder);
  const lake = await openStore(pathToFileURL(lakeFolder).href, {});
  const store = await openStore(pathToFileURL(join(folder, 'store')).href, {}, { create: true });
  const parts = { threads: 1, memoryBytes: 2 ** 31, clock: systemClock, log: silentLog };
  const reader = startChild({
    ...parts,
    thread: new URL('../../coordinator/thread.ts', import.meta.url),
  });
  const worker = startChild({
    ...parts,
    thread: new URL('../../worker/thread.ts', import.meta.url),
  });
  const fetcher = new Fetcher({ store, lake, scratch });
  const digest = await saveProgram(store, program);

  const prepare = async (shard: Shard): Promise<PrepareResult> => {
    const input = { kind: 'shard', shard } as const;
    const task = makeTask({ stage: 'prepare', program: digest, input, numerics: 'test' });
    await using fetched = await fetcher.fetch(task);
    const outcome = await worker.call<Outcome>('prepare', fetched.prepared, {
      deadlineMs: DEADLINE_MS,
    });
    return outcome.result as PrepareResult;
  };
  const footerOf = async (key: string) => {
    const info = (await lake.head(key))!;
    return { info, footer: await readFooter(lake, info, { child: reader, scratch }) };
  };
  const first = await footerOf('sound.parquet');
  /** Shards of a file, as a job on it and a sound one would cut them. */
  const shardsOf = async (key: string): Promise<Shard[]> => {
    const other = await footerOf(key);
    const both = [first, other];
    const snapshot = await buildSnapshot(
      '*.parquet',
      both.map(({ info }) => info),
      both.map(({ footer }) => footer),
      systemClock,
    );
    const shards = [...cutShards(snapshot, { reads: program.reads, shardBytesMax: 1 })].flat();
    return shards.filter((shard) => shard.key === key);
  };

  const soundResults = await Promise.all((await shardsOf('sound.parquet')).map(prepare));
  const random = new Philox(seed, 'order', 'hostile');
  const met: Record<string, number> = {};
  const meet = (what: string): void => {
    met[what] = (met[what] ?? 0) + 1;
  };
  for (let i = 0; i < FILES; i++) {
    const key = `mutated-${i}.parquet`;
    await writeFile(join(lakeFolder, key), mutate(sound, random));
    try {
      for (const shard of await shardsOf(key)) checkAccount(shard, await prepare(shard));
      meet('counted');
    } catch (error) {
      if (!(error instanceof GristmillError)) throw error;
      meet(error.code);
      expect(ALLOWED, `${key}: ${error.message}`).toContain(error.code);
      if (NAMED.includes(error.code)) expect(error.message).toContain(key);
    }
  }
  process.stdout.write(`mutated Parquet, SEED=${seed}: ${JSON.stringify(met)}\n`);
  expect(await Promise.all((await shardsOf('sound.parquet')).map(prepare))).toEqual(soundResults);
  await Promise.all([reader.close(), worker.close(), lake.close(), store.close()]);
}, 240_000);

/** A child may die of a file, or an expression may meet a value that it cannot take: the job ends with that. */
const NAMED = ['SHARD_UNREADABLE', 'SCHEMA_DRIFT', 'SQL_RUNTIME'];
const ALLOWED = [...NAMED, 'CHILD_LOST', 'DEADLINE', 'MEMORY'];

function checkAccount(shard: Shard, result: PrepareResult): void {
  const dropped = Object.values(result.dropped).reduce((sum, n) => sum + n, 0);
  expect(result.rowsIn).toBe(shard.rowEnd - shard.rowStart);
  expect(result.rowsOut + dropped).toBe(result.rowsIn);
  expect(result.part?.rows ?? 0).toBe(result.rowsOut);
  expect(result.part?.bucketOffsets.at(-1) ?? 0).toBe(result.rowsOut);
}

async function writeSound(folder: string): Promise<Buffer> {
  await using duck = await openDuck({
    memoryBytes: 2 ** 28,
    tempDir: tempFolder(),
    files: [],
    writeDir: folder,
  });
  const path = join(folder, 'sound.parquet');
  await duck.run(`COPY (
    SELECT CASE WHEN r % 100 = 0 THEN NULL ELSE r END::BIGINT AS x, 'w' || (r % 7) AS word,
      TIMESTAMP '2001-01-01' + to_hours(r::BIGINT) AS "at" FROM range(${ROWS}) t(r)
  ) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
  return readFile(path);
}
