// A store in a bucket, through the minio client and plain S3 calls.
// In: an address, keys and bytes. Out: the Store contract; only these files know what S3 says.
// Why not the client's own retries, listing and multipart: it retries untold, reads the key
// "007" as the number 7, and lets two writers of one key share an upload.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import type { Readable } from 'node:stream';
import { Client } from 'minio';
import { type Clock, systemClock } from '../clock.ts';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { StoreHealth } from './health.ts';
import { changed, compareKeys, missing } from './keys.ts';
import { explainS3, isAbsent, isTaken, PassingError, s3CodeOf } from './s3-errors.ts';
import { PASSING_STATUS, type S3Small, smallObjects } from './s3-small.ts';
import { uploadInParts } from './s3-upload.ts';
import { type Patience, type Range, type RawStore, rideOut, settled } from './settle.ts';
import type { Created, ObjectInfo, Store } from './store.ts';

export type S3Address = {
  readonly bucket: string;
  /** Put before every key, without slashes at its ends; '' for the whole bucket. */
  readonly prefix: string;
  /** http or https, host and port; undefined for AWS itself. */
  readonly endpoint: URL | undefined;
  /** Where the endpoint was found, for error messages: "AWS_ENDPOINT_URL". */
  readonly foundIn: string;
  readonly region: string | undefined;
  /** undefined: anonymous, for public buckets. */
  readonly credentials:
    | { readonly accessKey: string; readonly secretKey: string; readonly sessionToken?: string }
    | undefined;
};

export type S3StoreOptions = {
  /** Make the bucket where it is missing; otherwise that is STORE_UNAVAILABLE. */
  readonly create?: boolean;
  /** Without an answer or a byte for so long, an attempt has failed. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly jitter?: () => number;
  readonly health?: StoreHealth;
};

export async function openS3Store(at: S3Address, options: S3StoreOptions = {}): Promise<Store> {
  const { clock = systemClock, jitter = Math.random, health } = options;
  const patience = { clock, jitter, health };
  const { client, agent } = connect(at, options.timeoutMs ?? LIMITS.storeTimeoutMs);
  const small = smallObjects({
    endpoint: at.endpoint ?? new URL('https://s3.amazonaws.com'),
    bucket: at.bucket,
    agent,
    timeoutMs: options.timeoutMs ?? LIMITS.storeTimeoutMs,
    clock,
    region: () => client.getBucketRegionAsync(at.bucket),
    credentials: at.credentials,
  });
  const raw = rawS3Store({ client, small, agent }, at, patience);
  try {
    await rideOut(raw, patience, 'open', async () => {
      if (await client.bucketExists(at.bucket)) return;
      if (options.create !== true) throw noBucket(raw.uri, at);
      await client.makeBucket(at.bucket, at.region ?? '').catch((error: unknown) => {
        if (s3CodeOf(error) !== 'BucketAlreadyOwnedByYou') throw error;
      });
    });
  } catch (error) {
    agent.destroy();
    throw error;
  }
  return settled(raw, patience);
}

const noBucket = (uri: string, at: S3Address): GristmillError =>
  new GristmillError(
    'STORE_UNAVAILABLE',
    `Cannot open ${uri}: ${whereIs(at)} has no bucket "${at.bucket}", expected an existing one`,
  );

/** The address and how it was looked for. */
const whereIs = (at: S3Address): string =>
  `${at.endpoint?.origin ?? 'https://s3.amazonaws.com'} (from ${at.foundIn})`;

function connect(at: S3Address, timeoutMs: number): { client: Client; agent: http.Agent } {
  const isPlain = at.endpoint?.protocol === 'http:';
  const agentOptions = { keepAlive: true, maxSockets: LIMITS.storeSocketsMax };
  const agent = isPlain ? new http.Agent(agentOptions) : new https.Agent(agentOptions);
  const port = Number(at.endpoint?.port ?? '');
  const client = new Client({
    endPoint: at.endpoint ? at.endpoint.hostname.replace(/^\[|\]$/g, '') : 's3.amazonaws.com',
    useSSL: !isPlain,
    ...(port > 0 ? { port } : {}),
    ...(at.region === undefined ? {} : { region: at.region }),
    ...at.credentials,
    pathStyle: true,
    transport: { request: watchedRequest(isPlain ? http.request : https.request, timeoutMs) },
    transportAgent: agent,
    retryOptions: { disableRetry: true },
  });
  return { client, agent };
}

type Request = typeof http.request;

/** Ends requests that stand still, and names passing statuses, which the client would blur. */
function watchedRequest(request: Request, timeoutMs: number): Request {
  const watched = (
    options: http.RequestOptions,
    onResponse: (response: http.IncomingMessage) => void,
  ): http.ClientRequest => {
    const asked = request(options, (response) => {
      const status = response.statusCode ?? 0;
      if (!PASSING_STATUS.has(status)) return onResponse(response);
      response.on('error', () => {}).resume();
      asked.emit('error', new PassingError(`HTTP status ${status}`));
    });
    asked.setTimeout(timeoutMs, () => {
      asked.destroy(new PassingError(`no answer for ${timeoutMs} ms`));
    });
    return asked;
  };
  return watched as Request;
}

function rawS3Store(
  {
    client,
    small,
    agent,
  }: { readonly client: Client; readonly small: S3Small; readonly agent: http.Agent },
  at: S3Address,
  patience: Patience,
): RawStore {
  const { bucket } = at;
  const root = at.prefix === '' ? '' : `${at.prefix}/`;
  const uri = `s3://${bucket}${at.prefix === '' ? '' : `/${at.prefix}`}`;
  const explain: RawStore['explain'] = (error, act) =>
    explainS3(error, { act, uri, where: whereIs(at) });

  const head = (key: string): Promise<ObjectInfo | undefined> =>
    orAbsent(async () => {
      const headers = await small.head(root + key);
      return { key, bytes: Number(headers['content-length']), etag: etagOf(headers) };
    });
  const put = (key: string, bytes: Uint8Array): Promise<Created> =>
    orTaken(() => small.create(root + key, bytes));
  const page = async (prefix: string, after: string, delimiter: string) => {
    const options = { Delimiter: delimiter, MaxKeys: 1000 };
    const marker = after === '' ? '' : root + after;
    return client.listObjectsQuery(bucket, root + prefix, marker, options);
  };

  return {
    uri,
    head,
    get: (key) =>
      orAbsent(() =>
        readAlike(async () => {
          const { headers, bytes } = await small.get(root + key);
          return { etag: etagOf(headers), bytes };
        }),
      ),
    getRange: async (key, range) => {
      if (range.length === 0) return emptyRange(key, range, await head(key));
      const { offset, length } = range;
      const stream = await orAbsent(() =>
        client.getPartialObject(bucket, root + key, offset, length).catch((error: unknown) => {
          throw s3CodeOf(error) === 'InvalidRange'
            ? changed(key, `no byte ${offset}`, `at least ${offset + length} bytes`)
            : error;
        }),
      );
      if (!stream) throw missing(key);
      checkAnswer(key, range, headersOf(stream), stream);
      return readWhole(key, stream, length);
    },
    open: (key, { offset, etag }) =>
      orAbsent(async () => {
        const stream = await client.getPartialObject(bucket, root + key, offset);
        const found = etagOf(headersOf(stream));
        if (etag !== undefined && found !== etag) {
          stream.destroy();
          throw changed(key, `etag ${found}`, etag);
        }
        return { etag: found, stream };
      }),
    put,
    upload: (key, path) => {
      const parts = uploadInParts(client, { bucket, key: root + key, path }, (act, attempt) =>
        rideOut({ explain }, patience, act, attempt),
      );
      const putFile = async (): Promise<Created> => {
        const { size } = await fs.stat(path);
        if (size <= LIMITS.partBytes) return put(key, await fs.readFile(path));
        if (await head(key)) return 'exists'; // before gigabytes travel in vain
        return orTaken(() => parts.send(size));
      };
      return { put: putFile, drop: () => parts.drop() };
    },
    harden: async () => {},
    async *list(prefix, after = '') {
      for (let last = after; ; ) {
        const { objects, isTruncated } = await page(prefix, last, '');
        for (const { name = '', size = 0, etag = '' } of objects) {
          last = name.slice(root.length);
          if (!name.endsWith('/')) yield { key: last, bytes: size, etag }; // "/": a folder's marker
        }
        if (!isTruncated || objects.length === 0) return;
      }
    },
    listNames: async (prefix) => {
      const names: string[] = [];
      for (let last = ''; ; ) {
        const { objects, isTruncated } = await page(prefix, last, '/');
        const found = objects
          .map((object) => (object.prefix ?? object.name ?? '').slice(root.length))
          .sort(compareKeys);
        names.push(...found.filter((key) => key !== prefix).map((key) => key.slice(prefix.length)));
        last = found.at(-1) ?? '';
        if (!isTruncated || last === '') return names;
      }
    },
    delete: (key) => client.removeObject(bucket, root + key),
    close: async () => agent.destroy(),
    explain,
  };
}

async function orAbsent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function orTaken(create: () => Promise<unknown>): Promise<Created> {
  try {
    await create();
    return 'created';
  } catch (error) {
    if (isTaken(error)) return 'exists';
    throw error;
  }
}

const headersOf = (stream: Readable): http.IncomingHttpHeaders =>
  (stream as http.IncomingMessage).headers;

const etagOf = (headers: http.IncomingHttpHeaders): string =>
  (headers.etag ?? '').replace(/^W\//, '').replaceAll('"', '');

/** The object must be the expected one, and the answer the range that was asked for. */
function checkAnswer(
  key: string,
  { offset, length, etag }: Range,
  headers: http.IncomingHttpHeaders,
  stream: Readable,
): void {
  const found = etagOf(headers);
  const span = /^bytes (\d+)-(\d+)\//.exec(headers['content-range'] ?? '');
  if (etag !== undefined && found !== etag) {
    stream.destroy();
    throw changed(key, `etag ${found}`, etag);
  }
  if (Number(span?.[1]) === offset && Number(span?.[2]) < offset + length - 1) {
    stream.destroy();
    throw changed(key, `${Number(span?.[2]) + 1} bytes`, `at least ${offset + length}`);
  }
  if (Number(span?.[1]) !== offset || Number(span?.[2]) !== offset + length - 1) {
    stream.destroy();
    throw new PassingError(`content-range ${headers['content-range']} for offset ${offset}`);
  }
}

function emptyRange(key: string, { etag }: Range, info: ObjectInfo | undefined): Uint8Array {
  if (!info) throw missing(key);
  if (etag !== undefined && etag !== info.etag) throw changed(key, `etag ${info.etag}`, etag);
  return new Uint8Array(0);
}

type Answer = { readonly etag: string; readonly bytes: Uint8Array };

/**
 * JSON carries no digest, and a bit that flips on the way can leave it valid. The etag of a plain put
 * is the MD5 of its bytes, but not under every encryption: where it is not, two reads must be alike.
 */
async function readAlike(read: () => Promise<Answer>): Promise<Uint8Array> {
  const first = await read();
  if (isMd5Of(first)) return first.bytes;
  const second = await read();
  if (isMd5Of(second) || Buffer.from(first.bytes).equals(second.bytes)) return second.bytes;
  throw new PassingError('two reads that differ');
}

const isMd5Of = ({ etag, bytes }: Answer): boolean =>
  createHash('md5').update(bytes).digest('hex') === etag;

/** All of an answer's body; what is shorter or longer than announced is a failed attempt. */
async function readWhole(key: string, stream: Readable, expected?: number): Promise<Uint8Array> {
  const length = expected ?? Number(headersOf(stream)['content-length'] ?? Number.NaN);
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk as Uint8Array);
  const bytes = Buffer.concat(chunks);
  if (bytes.length !== length && !Number.isNaN(length)) {
    throw new PassingError(`${bytes.length} of ${length} bytes of ${key}`);
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
