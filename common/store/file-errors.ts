// What an error of the file system means: absent, full, denied, passing, or a bug.
// In: errno errors. Out: answers for the file store, and GristmillErrors.
// Why by errno: it is the one thing that Linux and macOS say alike.
import { GristmillError } from '../errors.ts';
import { cannot, type Failure } from './settle.ts';

export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;

export const isAbsent = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '');

const FULL = ['ENOSPC', 'EDQUOT'];
const DENIED = ['EACCES', 'EPERM', 'EROFS'];
const PASSING = ['EIO', 'EAGAIN', 'EBUSY', 'EINTR', 'EMFILE', 'ENFILE', 'ESTALE', 'ETIMEDOUT'];

/** What an error of the file system means. ENOENT that got this far is a root that went away. */
export function explainFile(error: unknown, act: string, uri: string): Failure {
  const code = codeOf(error) ?? 'no code';
  const because = (text: string): string => `${cannot(act, uri)}: ${code}, expected ${text}`;
  const failure = (transient: boolean, error_: GristmillError): Failure => ({
    transient,
    error: error_,
  });
  const options = { cause: error };
  if (FULL.includes(code)) {
    return failure(true, new GristmillError('STORE_FULL', because('free space'), options));
  }
  if (DENIED.includes(code)) {
    return failure(false, new GristmillError('STORE_DENIED', because('permission'), options));
  }
  if (code === 'ENOENT' || PASSING.includes(code)) {
    const text = because('a sound file system');
    return failure(true, new GristmillError('STORE_UNAVAILABLE', text, options));
  }
  if (code === 'ENOTDIR') {
    return failure(false, new GristmillError('CONFLICT', because('no object above it'), options));
  }
  if (code === 'ENAMETOOLONG') {
    return failure(false, new GristmillError('INPUT_OUTSIDE', because('a shorter key'), options));
  }
  const reason = error instanceof Error ? error.message : String(error);
  return failure(false, new GristmillError('INTERNAL', `Cannot ${act}: ${reason}`, options));
}
