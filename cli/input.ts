// Files that a user names.
// In: a path or "-". Out: bytes, or FILE_UNREADABLE saying why and what to do.
// Why apart: every command reads its file through the context, and every one fails in the same words.
import { GristmillError } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import { parseStrictJson } from '../common/wire/json.ts';
import type { Context } from './context.ts';

export async function readInput(
  path: string,
  from: {
    readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean };
    read(path: string): Promise<Uint8Array>;
  },
): Promise<Uint8Array> {
  if (path === '-') return readAll(from.stdin);
  try {
    return await from.read(path);
  } catch (cause) {
    const why = REASONS[(cause as NodeJS.ErrnoException).code ?? ''] ?? (cause as Error).message;
    throw unreadable(`Cannot read ${JSON.stringify(path)}: ${why}`, cause);
  }
}

/** A file as strict JSON: errors name the file, the line and the column. */
export async function readJson(context: Pick<Context, 'readFile'>, path: string): Promise<unknown> {
  return parseStrictJson(await context.readFile(path), nameOf(path));
}

export const nameOf = (path: string): string => (path === '-' ? 'standard input' : path);

async function readAll(stdin: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of stdin) {
    const read = typeof piece === 'string' ? new TextEncoder().encode(piece) : piece;
    bytes += read.length;
    if (bytes > LIMITS.bodyBytesMax) {
      const message = `Cannot read standard input: it has more than ${LIMITS.bodyBytesMax} bytes, expected at most that`;
      throw unreadable(message);
    }
    pieces.push(read);
  }
  return Buffer.concat(pieces);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file, expected a JSON file',
  EISDIR: 'it is a folder, expected a JSON file',
  EACCES: 'permission denied, expected a file that you may read',
};

const unreadable = (message: string, cause?: unknown): GristmillError =>
  new GristmillError('FILE_UNREADABLE', message, { cause });
