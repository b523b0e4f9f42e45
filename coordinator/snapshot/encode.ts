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
  const bytes = Buffer.allocUnsafeSlow(bytesMax(snapshot));
  let [text, end] = ['', 0];
  const flush = (): void => {
    const start = end;
    end += bytes.write(text, start);
    hash.update(bytes.subarray(start, end));
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
  return { digest: hash.digest('hex') as Digest, bytes: bytes.subarray(0, end) };
}

/** A whole number with its comma, and the names, brackets and commas of a chunk, a row group and an object. */
const [NUMBER_BYTES, CHUNK_BYTES, GROUP_BYTES, OBJECT_BYTES] = [17, 3, 33, 70];
/** A code unit of text: \\u00xx. */
const UNIT_BYTES = 6;

/** No less than the JSON has. What is not written to takes no memory, and nothing is copied to grow. */
function bytesMax({ dataset, schema, objects }: Snapshot): number {
  const group = GROUP_BYTES + 2 * NUMBER_BYTES + schema.length * (CHUNK_BYTES + 2 * NUMBER_BYTES);
  let max = OBJECT_BYTES + UNIT_BYTES * dataset.length + UNIT_BYTES * JSON.stringify(schema).length;
  for (const { key, etag, rowGroups } of objects)
    max +=
      OBJECT_BYTES +
      3 * NUMBER_BYTES +
      UNIT_BYTES * (key.length + etag.length) +
      rowGroups.length * group;
  return max;
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

function groupJson({ bytes, chunks, rows }: RowGroup): string {
  let pairs = '';
  for (let at = 0; at < chunks.length; at += 2)
    pairs += `${at > 0 ? ',' : ''}[${chunks[at]},${chunks[at + 1]}]`;
  return `{"bytes":${bytes},"chunks":[${pairs}],"rows":${rows}}`;
}
