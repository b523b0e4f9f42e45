// From a URI to a store.
// In: memory:, file:///folder or s3://bucket/prefix, and the usual AWS_* variables. Out: a Store.
// Why in one place: the same URI must mean the same store to every process.
import { fileURLToPath } from 'node:url';
import { GristmillError } from '../errors.ts';
import { type FileStoreOptions, openFileStore } from './file.ts';
import { checkPrefix } from './keys.ts';
import { memoryStore } from './memory.ts';
import { openS3Store, type S3Address, type S3StoreOptions } from './s3.ts';
import type { Store } from './store.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** Opens and checks a store. Makes no folder and no bucket unless told to by `create`. */
export async function openStore(
  uri: string,
  env: Env,
  options: FileStoreOptions & S3StoreOptions = {},
): Promise<Store> {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  switch (url?.protocol) {
    case 'memory:':
      return memoryStore();
    case 'file:':
      return openFileStore(folderOf(uri, url), options);
    case 's3:':
      return openS3Store(s3AddressOf(uri, url, env), options);
    default:
      throw invalid(uri, 'memory:, file:///folder or s3://bucket/prefix');
  }
}

function folderOf(uri: string, url: URL): string {
  if (url.host !== '' || url.search !== '' || url.hash !== '') {
    throw invalid(uri, 'file:/// and an absolute path, with "?", "#" and "%" as %3F, %23 and %25');
  }
  return fileURLToPath(url);
}

function s3AddressOf(uri: string, url: URL, env: Env): S3Address {
  if (url.username !== '' || url.password !== '') {
    throw new GristmillError(
      'CONFIG_INVALID',
      `Cannot open a store of ${url.host}: credentials in its URI, expected them in ` +
        'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    );
  }
  // S3 knows no queries, fragments or escapes: what follows the bucket is the prefix, as written
  const rest = uri.slice(uri.indexOf('//') + 2);
  const bucket = rest.split('/', 1)[0] ?? '';
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw invalid(uri, 'a bucket of 3 to 63 of a–z, 0–9, "." and "-"');
  }
  const endpoint = endpointOf(env);
  return {
    bucket,
    prefix: checkPrefix(rest.slice(bucket.length).replace(/^\/+|\/+$/g, '')),
    ...endpoint,
    region: env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? (endpoint.endpoint && 'us-east-1'),
    credentials: credentialsOf(env),
  };
}

function endpointOf(env: Env): Pick<S3Address, 'endpoint' | 'foundIn'> {
  const foundIn = env.AWS_ENDPOINT_URL_S3 ? 'AWS_ENDPOINT_URL_S3' : 'AWS_ENDPOINT_URL';
  const text = env[foundIn];
  if (!text) {
    return {
      endpoint: undefined,
      foundIn: 'no AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL being set',
    };
  }
  const endpoint = URL.canParse(text) ? new URL(text) : undefined;
  if (!endpoint || !/^https?:$/.test(endpoint.protocol) || endpoint.pathname !== '/') {
    throw new GristmillError(
      'CONFIG_INVALID',
      `Cannot use ${foundIn}: ${JSON.stringify(text)}, expected http(s)://host:port`,
    );
  }
  return { endpoint, foundIn };
}

function credentialsOf(env: Env): S3Address['credentials'] {
  const accessKey = env.AWS_ACCESS_KEY_ID;
  const secretKey = env.AWS_SECRET_ACCESS_KEY;
  if (!accessKey && !secretKey) return undefined;
  if (!accessKey || !secretKey) {
    const absent = accessKey ? 'AWS_SECRET_ACCESS_KEY' : 'AWS_ACCESS_KEY_ID';
    throw new GristmillError(
      'CONFIG_INVALID',
      `Cannot sign S3 requests: ${absent} is not set, expected both or neither`,
    );
  }
  const sessionToken = env.AWS_SESSION_TOKEN;
  return { accessKey, secretKey, ...(sessionToken ? { sessionToken } : {}) };
}

const invalid = (uri: string, expected: string): GristmillError =>
  new GristmillError('CONFIG_INVALID', `Cannot open the store ${uri}: expected ${expected}`);
