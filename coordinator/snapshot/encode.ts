// The canonical bytes of a snapshot and their digest, written to a file in pieces.
// In: a snapshot. Out: a file of what canonicalJson() gives, and digestOf() of it.
// Why a file: a million row groups are some hundred megabytes of JSON. As one text they took seconds in which the loop served
// nobody; as bytes in memory they stayed until the collector thought of them.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Digest } from '../../common/ids.ts';
import type { RowGroup, Snapshot, SnapshotObject } from '../../common/wire/plan.ts';

/** Characters that are hashed and written at once: some 0.5 ms. */
const BLOCK_CHARACTERS = 128 * 1024;

/** `path`: a new file. */
export async function encodeSnapshot(snapshot: Snapshot, path: string): Promise<Digest> {
  const hash = createHash('sha256');
  await using file = await open(path, 'wx');
  let text = '';
  const flush = async (): Promise<void> => {
    const block = Buffer.from(text);
    text = '';
    hash.update(block);
    await file.writeFile(block);
  };
  for (const piece of piecesOf(snapshot)) {
    text += piece;
    if (text.length >= BLOCK_CHARACTERS) await flush();
  }
  await flush();
  return hash.digest('hex') as Digest;
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
