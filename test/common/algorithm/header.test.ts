import { expect, test } from 'vitest';
import { type HeaderFormat, readHeaded, writeHeaded } from '../../../common/algorithm/header.ts';

const FORMAT: HeaderFormat = { magic: 'TEST', version: 3, what: 'test file' };
type Header = { readonly name: string };
const isSound = ({ name }: Partial<Header>): boolean => typeof name === 'string';
const read = (bytes: Uint8Array, format = FORMAT) => readHeaded<Header>(format, bytes, isSound);

test.each(['', 'a', 'ab', 'a long name that fills some words'])(
  'writeHeaded() begins the numbers at a multiple of 8 after the name %j',
  (name) => {
    const numbers = Float32Array.of(1, 2, 3);
    const bytes = writeHeaded(FORMAT, { name }, [numbers, Uint8Array.of(9)]);
    const { header, rest } = read(bytes);
    expect(header).toEqual({ formatVersion: 3, name });
    expect((bytes.length - rest.length) % 8).toBe(0);
    expect([...rest]).toEqual([...new Uint8Array(numbers.buffer), 9]);
  },
);

test('writeHeaded() gives the bytes that checkpoints had before', () => {
  const text = '{"formatVersion":3,"name":"x"}';
  const padded = `${text}  `;
  expect(Buffer.from(writeHeaded(FORMAT, { name: 'x' }, []))).toEqual(
    Buffer.concat([
      Buffer.from('TEST'),
      Buffer.from([padded.length, 0, 0, 0]),
      Buffer.from(padded),
    ]),
  );
});

const good = (): Uint8Array => writeHeaded(FORMAT, { name: 'x' }, [Uint8Array.of(1)]);
const broken = (change: (bytes: Uint8Array) => void): Uint8Array => {
  const bytes = good();
  change(bytes);
  return bytes;
};

test.each([
  ['nothing', new Uint8Array(0), 'the beginning ""'],
  ['seven bytes', good().subarray(0, 7), 'the beginning "TEST"'],
  ['another magic', broken((bytes) => bytes.set([88], 0)), 'the beginning "XEST"'],
  ['a header past the end', broken((bytes) => bytes.set([255], 5)), 'a header of'],
  ['no JSON', broken((bytes) => bytes.set([88], 8)), 'a header that is no JSON'],
  [
    'another version',
    writeHeaded({ ...FORMAT, version: 4 }, { name: 'x' }, []),
    'format version 4',
  ],
  ['no name', writeHeaded(FORMAT, {}, []), 'a header without what belongs'],
])('readHeaded() refuses %s', (_, bytes, why) => {
  expect(() => read(bytes)).toThrow(
    expect.objectContaining({
      code: 'FORMAT_UNKNOWN',
      message: expect.stringContaining(`Cannot read test file: it has ${why}`),
    }),
  );
});
