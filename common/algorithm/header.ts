// Binary files with a readable head: a magic word, JSON, then numbers.
// In: a header and arrays. Out: bytes, the same for the same input; and both back, with every length checked.
// Why padded: the numbers begin at a multiple of 8, so that they can be viewed where they lie.
//
//   magic, 4 bytes | header length u32 LE | header JSON, padded with spaces to 8 | numbers, little-endian
import { GristmillError } from '../errors.ts';
import { canonicalJson } from '../ids.ts';

export type HeaderFormat = {
  readonly magic: string;
  readonly version: number;
  /** For messages: "checkpoint". */
  readonly what: string;
};

export function writeHeaded(
  { magic, version }: HeaderFormat,
  header: object,
  body: readonly ArrayBufferView[],
): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(canonicalJson({ formatVersion: version, ...header }));
  const start = Math.ceil((8 + text.byteLength) / 8) * 8;
  const length = body.reduce((sum, { byteLength }) => sum + byteLength, start);
  const bytes = new Uint8Array(length);
  bytes.set(new TextEncoder().encode(magic));
  new DataView(bytes.buffer).setUint32(4, start - 8, true);
  bytes.fill(0x20, 8, start);
  bytes.set(text, 8);
  let at = start;
  for (const view of body) {
    bytes.set(bytesOf(view), at);
    at += view.byteLength;
  }
  return bytes;
}

/** FORMAT_UNKNOWN where the bytes are something else, or of another version. `Header` is what `isSound` checked. */
export function readHeaded<Header extends object>(
  format: HeaderFormat,
  bytes: Uint8Array,
  isSound: (header: Partial<Header>) => boolean,
): { readonly header: Header; readonly rest: Uint8Array } {
  const magic = new TextDecoder().decode(bytes.subarray(0, 4));
  if (bytes.byteLength < 8 || magic !== format.magic) {
    throw refuseFormat(format, `the beginning ${JSON.stringify(magic)}`, format.magic);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  if (8 + length > bytes.byteLength) {
    throw refuseFormat(format, `a header of ${length} bytes`, 'a shorter one');
  }
  const header = parse(format, bytes.subarray(8, 8 + length));
  if (header.formatVersion !== format.version) {
    throw refuseFormat(format, `format version ${header.formatVersion}`, `${format.version}`);
  }
  if (!isSound(header as Partial<Header>)) {
    throw refuseFormat(format, 'a header without what belongs in it', 'all of it');
  }
  return { header: header as Header, rest: bytes.subarray(8 + length) };
}

export const refuseFormat = (
  { what }: HeaderFormat,
  found: string,
  expected: string,
  cause?: unknown,
): GristmillError =>
  new GristmillError(
    'FORMAT_UNKNOWN',
    `Cannot read ${what}: it has ${found}, expected ${expected}`,
    {
      cause,
    },
  );

function parse(format: HeaderFormat, bytes: Uint8Array): { readonly formatVersion?: unknown } {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw refuseFormat(format, 'a header that is no JSON', 'one', cause);
  }
  if (typeof header === 'object' && header !== null) return header;
  throw refuseFormat(format, 'a header that is no object', 'one');
}

export const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
