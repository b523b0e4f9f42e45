// A snapshot from its bytes, some objects at a time.
// In: the JSON of a snapshot. Out: the snapshot, checked at the door for stored JSON, its chunks packed.
// Why not in one go: half a gigabyte of JSON is longer than any string, and minutes in which the loop would serve nobody.
// How: the text around the list of objects, with some of them in between, is a small snapshot; many such are read.
import type { Clock } from '../../common/clock.ts';
import { Pace } from '../../common/pace.ts';
import { parseStoredAs } from '../../common/stored/stored.ts';
import type { SnapshotJson } from '../../common/wire/plan.ts';
import { RowGroups, type Snapshot, type SnapshotObject } from './row-groups.ts';

/** JSON that is parsed at once: some ms. */
const PIECE_BYTES = 128 * 1024;

/** FORMAT_UNKNOWN where it is no snapshot that this program knows. */
export async function decodeSnapshot(
  key: string,
  bytes: Uint8Array,
  clock: Pick<Clock, 'monotonicMs'>,
): Promise<Snapshot> {
  const pace = new Pace(clock);
  const objects: SnapshotObject[] = [];
  let shell: SnapshotJson | undefined;
  for (const piece of piecesOf(bytes, await findList(bytes, pace))) {
    shell = parseStoredAs('snapshot', key, piece);
    for (const object of shell.objects)
      objects.push({ ...object, rowGroups: new RowGroups(object.rowGroups) });
    const rest = pace.rest();
    if (rest) await rest;
  }
  return { ...shell!, objects };
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [BRACE, BRACE_END, BRACKET, BRACKET_END] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Where the objects lie, between the brackets of their list: [start, end), with the commas between them. */
type List = { readonly start: number; readonly end: number; readonly commas: readonly number[] };

/** JSON of snapshots with some of the objects each; the bytes themselves where no list was found in them. */
function* piecesOf(bytes: Uint8Array, list: List | undefined): Generator<Uint8Array> {
  if (!list) return void (yield bytes);
  const [head, tail] = [bytes.subarray(0, list.start), bytes.subarray(list.end)];
  let from = list.start;
  for (const comma of list.commas) {
    if (comma - from < PIECE_BYTES) continue;
    yield Buffer.concat([head, bytes.subarray(from, comma), tail]);
    from = comma + 1;
  }
  yield Buffer.concat([head, bytes.subarray(from, list.end), tail]);
}

/** Undefined where the JSON has no `objects`, or ends before they do. */
async function findList(bytes: Uint8Array, pace: Pace): Promise<List | undefined> {
  let [depth, start] = [0, -1];
  let name = '';
  const commas: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      const end = endOfText(bytes, at);
      if (depth === 1) name = Buffer.from(bytes.subarray(at + 1, end)).toString();
      at = end;
    } else if (byte === BRACE || byte === BRACKET) {
      depth += 1;
      if (depth === 2 && byte === BRACKET && name === 'objects') start = at + 1;
    } else if (byte === BRACE_END || byte === BRACKET_END) {
      depth -= 1;
      if (depth === 1 && start >= 0) return { start, end: at, commas };
    } else if (byte === COMMA && depth === 2 && start >= 0) {
      commas.push(at);
      const rest = pace.rest();
      if (rest) await rest;
    }
  }
  return undefined;
}

/** Of the quote that ends the text which begins at `start`; the end of all where none does. */
function endOfText(bytes: Uint8Array, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at;
  }
  return bytes.length;
}
