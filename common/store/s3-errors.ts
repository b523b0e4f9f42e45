// What an error on the way to S3 means: absent, taken, passing, denied, full, or a bug.
// In: what the minio client and node:http throw. Out: answers for s3.ts, and GristmillErrors.
// Why by S3's codes and never by text: messages differ between stores and versions.
import { GristmillError } from '../errors.ts';
import { cannot, type Failure } from './settle.ts';

/** An attempt that failed in a way that may pass: a 5xx, silence, a short body. */
export class PassingError extends Error {}

export const s3CodeOf = (error: unknown): string | undefined => {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' && code !== '' ? code : undefined;
};

export const isAbsent = (error: unknown): boolean =>
  ['NoSuchKey', 'NotFound', 'NoSuchVersion'].includes(s3CodeOf(error) ?? '');

/** If-None-Match: * was refused. A 409 is not here: there the outcome is unknown. */
export const isTaken = (error: unknown): boolean => s3CodeOf(error) === 'PreconditionFailed';

const PASSING = new Set([
  // of the store
  ...['InternalError', 'SlowDown', 'SlowDownRead', 'SlowDownWrite', 'ServiceUnavailable', 'Busy'],
  ...['RequestTimeout', 'OperationAborted', 'ConditionalRequestConflict', 'NoSuchUpload'],
  ...['BadDigest', 'XAmzContentSHA256Mismatch', 'IncompleteBody', 'XMinioServerNotInitialized'],
  // of the way there
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND'],
  ...['EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ERR_STREAM_PREMATURE_CLOSE', 'EMFILE'],
]);
const DENIED = new Set([
  ...['AccessDenied', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'ExpiredToken'],
  ...['InvalidToken', 'AccountProblem', 'AllAccessDisabled', 'RequestTimeTooSkewed'],
]);
const FULL = new Set(['XMinioStorageFull', 'QuotaExceeded', 'XMinioAdminBucketQuotaExceeded']);
const UNSUPPORTED = new Set(['NotImplemented', 'MethodNotAllowed']);

/** `where` is the address and how it was found, as people should read it. */
export function explainS3(
  error: unknown,
  { act, uri, where }: { act: string; uri: string; where: string },
): Failure {
  const code = s3CodeOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  const said = code === undefined || reason.includes(code) ? reason : `${code} ${reason}`.trim();
  const begin = cannot(act, uri);
  const failure = (transient: boolean, to: GristmillError['code'], message: string): Failure => ({
    transient,
    error: new GristmillError(to, message, { cause: error }),
  });
  if (code !== undefined && FULL.has(code)) {
    return failure(true, 'STORE_FULL', `${begin}: ${said}, expected free space`);
  }
  if (code !== undefined && DENIED.has(code)) {
    return failure(false, 'STORE_DENIED', `${begin}: ${where} says ${said}, expected permission`);
  }
  if (code !== undefined && UNSUPPORTED.has(code)) {
    const message = `${begin}: ${where} says ${said}, expected create-only puts`;
    return failure(false, 'STORE_UNSAFE', message);
  }
  if (isPassing(error, code)) {
    const message = `${begin}: ${where} says ${said}, expected an S3 store that answers`;
    return failure(true, 'STORE_UNAVAILABLE', message);
  }
  if (code === 'NoSuchBucket' || code === 'PermanentRedirect' || isTls(code)) {
    const message = `${begin}: ${where} says ${said}, expected the bucket there`;
    return failure(false, 'STORE_UNAVAILABLE', message);
  }
  // a code nobody knows, or no XML: an answer may have been damaged on the way, so it is asked for again
  return failure(!(error instanceof TypeError), 'INTERNAL', `${begin}: ${said}`);
}

/** An S3 error without a code, and bytes that are not HTTP, were damaged on the way. */
const isPassing = (error: unknown, code: string | undefined): boolean =>
  error instanceof PassingError ||
  (code === undefined && error instanceof Error && error.name === 'S3Error') ||
  (code !== undefined && (PASSING.has(code) || code.startsWith('HPE_')));

const isTls = (code: string | undefined): boolean =>
  code !== undefined && /CERT|^ERR_SSL|^ERR_TLS|^EPROTO/.test(code);
