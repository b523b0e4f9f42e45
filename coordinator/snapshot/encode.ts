// The canonical bytes of a snapshot and their digest, made in pieces.
// In: a snapshot. Out: what canonicalJson() gives, as bytes, and digestOf() of it.
// Why not those: a million row groups are some hundred megabytes of JSON, seconds in which the loop would serve nobody.
import { createHash } from 'node:crypto';
import type { Clock } from '../../common/clock.ts';
import type { Digest } from '../../common/ids.ts';
import { Pace } from '../../common/pace.ts';
import type { RowGroup, Snapshot, SnapshotObject } from '../../common/wire/plan.ts';

/** Characters that are hashed and turned to bytes at once: some 0.1 ms. */
const BLOCK_CHARACTERS = 64 * 1024;

export async function encodeSnapshot(
  snapshot: Snapshot,
  clock: Pick<Clock, 'monotonicMs'>,
): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array }> {
  const hash = createHash('sha256');
  const pace = new Pace(clock);
  const blocks: Buffer[] = [];
  let text = '';
  const flush = (): void => {
    const block = Buffer.from(text);
    hash.update(block);
    blocks.push(block);
    text = '';
  };
  for (const piece of piecesOf(snapshot)) {
    text += piece;
    if (text.length < BLOCK_CHARACTERS) continue;
    flush();
    const rest = pace.rest();
    if (rest) await rest;
  }
  flush();
  return { digest: hash.digest('hex') as Digest, bytes: await join(blocks, pace) };
}

/** Members in the order of their names, as canonical JSON has them. */
function* piecesOf({ dataset, formatVersion, objects, schema }: Snapshot): Generator<string> {
  yield `{"dataset":${JSON.stringify(dataset)},"formatVersion":${formatVersion},"objects":[`;
  for (const [i, object] of objects.entries()) {
    if (i > 0) yield ',';
    yield* piecesOfObject(object);
  }
  yield `],"schema":${JSON.stringify(schema.map(({ name, type }) => ({ name, type })))}}`;
}

function* piecesOfObject(object: SnapshotObject): Generator<string> {
  const { bytes, etag, footerBytes, key, rowGroups, rows } = object;
  const head = JSON.stringify({ bytes, etag, footerBytes, key });
  yield `${head.slice(0, -1)},"rowGroups":[`;
  for (const [i, group] of rowGroups.entries()) yield (i > 0 ? ',' : '') + groupJson(group);
  yield `],"rows":${rows}}`;
}

const groupJson = ({ bytes, chunks, rows }: RowGroup): string =>
  JSON.stringify({ bytes, chunks, rows });

/** Each block is let go of as it is copied. */
async function join(blocks: Buffer[], pace: Pace): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const [i, block] of blocks.entries()) {
    block.copy(bytes, at);
    at += block.length;
    blocks[i] = EMPTY;
    const rest = pace.rest();
    if (rest) await rest;
  }
  return bytes;
}
const EMPTY = Buffer.alloc(0);
