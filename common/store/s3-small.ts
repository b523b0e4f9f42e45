// Whole small objects to and from S3 without the client's detours: GET, HEAD and create-only PUT, signed here.
// In: a connection and keys. Out: answers, or errors that carry S3's code. Everything else stays with the minio client.
// Why by hand: a commit is one PUT and one GET of a kilobyte, and the client spent 0.9 ms of CPU on each around the
// request itself (a key derived anew per signature, streams, XML set up). No faster client speaks to any S3, and the AWS
// SDK is 40 packages and slower still. `npm run bench -- tasks` has the figures: cpuMsWorkerMinio, ratios.minioOfFile.
import { createHash, createHmac } from 'node:crypto';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Clock } from '../clock.ts';
import { PassingError } from './s3-errors.ts';

export type S3Wire = {
  /** Scheme, host and port. */
  readonly endpoint: URL;
  readonly bucket: string;
  readonly agent: http.Agent;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Asked for once. */
  readonly region: () => Promise<string>;
  readonly credentials:
    | { readonly accessKey: string; readonly secretKey: string; readonly sessionToken?: string }
    | undefined;
};

export type S3Answer = {
  readonly headers: http.IncomingHttpHeaders;
  readonly bytes: Uint8Array;
};

export type S3Small = {
  get(key: string): Promise<S3Answer>;
  head(key: string): Promise<http.IncomingHttpHeaders>;
  create(key: string, bytes: Uint8Array): Promise<void>;
};

export function smallObjects(wire: S3Wire): S3Small {
  const request = wire.endpoint.protocol === 'http:' ? http.request : https.request;
  const host = wire.endpoint.host;
  const sign = makeSigner(wire);
  let region: Promise<string> | undefined;

  async function ask(
    method: string,
    key: string,
    { body, extra = {} }: { body?: Buffer; extra?: Readonly<Record<string, string>> } = {},
  ): Promise<S3Answer> {
    region ??= wire.region().catch((error: unknown) => {
      region = undefined;
      throw error;
    });
    const path = `/${encodePath(wire.bucket)}/${encodePath(key)}`;
    const headers = {
      host,
      ...extra,
      ...sign({ method, path, host, body, region: await region }),
      ...(body ? { 'content-length': String(body.length) } : {}),
    };
    return new Promise((resolve, reject) => {
      const { hostname, port } = wire.endpoint;
      const options = {
        method,
        path,
        headers,
        agent: wire.agent,
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
      };
      const asked = request(options, (response) => {
        readAll(response, method).then(resolve, reject);
      });
      asked.on('error', reject);
      asked.setTimeout(wire.timeoutMs, () => {
        asked.destroy(new PassingError(`no answer for ${wire.timeoutMs} ms`));
      });
      asked.end(body);
    });
  }

  return {
    get: (key) => ask('GET', key),
    head: async (key) => (await ask('HEAD', key)).headers,
    create: async (key, bytes) => {
      const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const extra = {
        'if-none-match': '*',
        'content-type': 'application/octet-stream',
        'content-md5': createHash('md5').update(body).digest('base64'),
      };
      await ask('PUT', key, { body, extra });
    },
  };
}

async function readAll(response: http.IncomingMessage, method: string): Promise<S3Answer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response) chunks.push(chunk as Uint8Array);
  const whole = Buffer.concat(chunks);
  const { headers, statusCode: status = 0 } = response;
  if (status !== 200) throw refusal(status, whole, headers);
  const announced = Number(headers['content-length'] ?? Number.NaN);
  if (method === 'GET' && announced !== whole.length && !Number.isNaN(announced)) {
    throw new PassingError(`${whole.length} of ${announced} bytes`);
  }
  return { headers, bytes: new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength) };
}

/** 499: a proxy's word for a client that hung up; 520: for an answer that it did not understand. */
export const PASSING_STATUS = new Set([408, 429, 499, 500, 502, 503, 504, 520]);

/** S3 says why in XML, but not to a HEAD. */
function refusal(status: number, body: Buffer, headers: http.IncomingHttpHeaders): Error {
  if (PASSING_STATUS.has(status)) return new PassingError(`HTTP status ${status}`);
  const text = body.toString('utf8');
  const found = (tag: string): string | undefined =>
    new RegExp(`<${tag}>([^<]{1,500})</${tag}>`).exec(text)?.[1];
  const code = found('Code') ?? STATUS_CODES.get(status);
  const minio = headers['x-minio-error-code'];
  const error = new Error(found('Message') ?? `HTTP status ${status}`);
  error.name = 'S3Error';
  return Object.assign(error, { code: code ?? (typeof minio === 'string' ? minio : '') });
}

/** What a status alone says. */
const STATUS_CODES = new Map([
  [301, 'PermanentRedirect'],
  [307, 'PermanentRedirect'],
  [403, 'AccessDenied'],
  [404, 'NotFound'],
  [405, 'MethodNotAllowed'],
  [409, 'ConditionalRequestConflict'],
  [412, 'PreconditionFailed'],
  [501, 'NotImplemented'],
]);

/** As S3 signs it: all but unreserved characters, and no slash. */
const encodePath = (key: string): string =>
  key
    .split('/')
    .map((segment) =>
      encodeURIComponent(segment).replace(
        /[!'()*]/g,
        (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
      ),
    )
    .join('/');

type Signed = {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly body: Buffer | undefined;
  readonly region: string;
};

const hex = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer =>
  createHmac('sha256', key).update(data).digest();
const EMPTY_SHA256 = hex('');

/** Signature version 4. The key holds for a day and a region, and is derived once for both. */
function makeSigner({ credentials, clock }: S3Wire): (of: Signed) => Record<string, string> {
  if (!credentials) return () => ({});
  const { accessKey, secretKey, sessionToken } = credentials;
  let known: { readonly scope: string; readonly key: Buffer } | undefined;

  function keyOf(day: string, region: string): { readonly scope: string; readonly key: Buffer } {
    const scope = `${day}/${region}/s3/aws4_request`;
    if (known?.scope === scope) return known;
    const steps = [day, region, 's3', 'aws4_request'];
    const key = steps.reduce<Buffer>(hmac, Buffer.from(`AWS4${secretKey}`));
    known = { scope, key };
    return known;
  }

  return ({ method, path, host, body, region }) => {
    const time = new Date(clock.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');
    const { scope, key } = keyOf(time.slice(0, 8), region);
    const sha256 = body ? hex(body) : EMPTY_SHA256;
    const names = `host;x-amz-content-sha256;x-amz-date${sessionToken ? ';x-amz-security-token' : ''}`;
    const token = sessionToken ? `x-amz-security-token:${sessionToken}\n` : '';
    const lines = `host:${host}\nx-amz-content-sha256:${sha256}\nx-amz-date:${time}\n${token}`;
    const canonical = `${method}\n${path}\n\n${lines}\n${names}\n${sha256}`;
    const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${hex(canonical)}`;
    const signature = hmac(key, toSign).toString('hex');
    return {
      'x-amz-date': time,
      'x-amz-content-sha256': sha256,
      ...(sessionToken ? { 'x-amz-security-token': sessionToken } : {}),
      authorization: `AWS4-HMAC-SHA256 Credential=${accessKey}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
    };
  };
}
