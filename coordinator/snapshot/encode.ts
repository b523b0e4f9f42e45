// The canonical bytes of a snapshot and their digest, written to a file in pieces.
// In: a snapshot. Out: a file of what canonicalJson() gives, and digestOf() of it.
// Why a file: a million row groups are some hundred megabytes of JSON. As one text they took seconds in which the loop served
// nobody; as bytes in memory they stayed until the collector thought of them.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { canonicalJson, type Digest } from '../../common/ids.ts';
import type { RowGroups, Snapshot, SnapshotObject } from './row-groups.ts';

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
  yield `],"schema":${canonicalJson(schema)}}`;
}

function* piecesOfObject(object: SnapshotObject): Generator<string> {
  const { bytes, etag, footerBytes, key, rowGroups, rows, types } = object;
  const head = JSON.stringify({ bytes, etag, footerBytes, key });
  yield `${head.slice(0, -1)},"rowGroups":[`;
  for (let i = 0; i < rowGroups.length; i++) yield (i > 0 ? ',' : '') + groupJson(rowGroups, i);
  yield `],"rows":${rows}${types ? `,"types":${canonicalJson(types)}` : ''}}`;
}

function groupJson(groups: RowGroups, group: number): string {
  let pairs = '';
  for (let column = 0; column < groups.columns; column++) {
    const [offset, length] = groups.chunkOf(group, column);
    pairs += `${column > 0 ? ',' : ''}[${offset},${length}]`;
  }
  return `{"bytes":${groups.bytesOf(group)},"chunks":[${pairs}],"rows":${groups.rowsOf(group)}}`;
}
