import { Client } from 'minio';
import { afterAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { openStore } from '../../common/store/open.ts';
import { bytesOf, keysOf, storeContract } from '../common/store/contract.ts';
import { type Minio, startMinio } from '../support/minio.ts';

const minio = await startMinio();
afterAll(() => minio?.[Symbol.asyncDispose]());
const quick = { ...systemClock, sleep: async () => {} };

const clientOf = ({ url, env }: Minio): Client => {
  const { hostname, port } = new URL(url);
  return new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    accessKey: env.AWS_ACCESS_KEY_ID ?? '',
    secretKey: env.AWS_SECRET_ACCESS_KEY ?? '',
  });
};

describe.skipIf(!minio)('against a real MinIO', () => {
  const { env } = minio ?? { env: {} };

  storeContract('S3', async () => {
    const store = await openStore('s3://contract/some/prefix', env, { create: true });
    const client = clientOf(minio!);
    return {
      store,
      overwrite: async (key, bytes) => {
        await client.putObject('contract', `some/prefix/${key}`, Buffer.from(bytes));
      },
      close: () => store.close(),
    };
  });

  storeContract('S3 without a prefix', async () => {
    const store = await openStore('s3://whole-bucket', env, { create: true });
    const client = clientOf(minio!);
    return {
      store,
      overwrite: async (key, bytes) => {
        await client.putObject('whole-bucket', key, Buffer.from(bytes));
      },
      close: () => store.close(),
    };
  });

  test('openStore() creates no bucket unless told', async () => {
    await expect(openStore('s3://not-there', env)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(/127\.0\.0\.1:\d+ \(from AWS_ENDPOINT_URL\) has no bucket/),
    });
    const store = await openStore('s3://not-there', env, { create: true });
    const again = await openStore('s3://not-there', env, { create: true });
    expect(await store.create('k', bytesOf('x'))).toBe('created');
    expect(await again.create('k', bytesOf('x'))).toBe('exists');
  });

  test('openStore() says STORE_DENIED for wrong keys, and shows no secret', async () => {
    const wrong = { ...env, AWS_SECRET_ACCESS_KEY: 'wrong-secret' };
    const denied = await openStore('s3://contract', wrong).catch((error: Error) => error);
    expect(denied).toMatchObject({ code: 'STORE_DENIED' });
    expect(String(denied)).not.toContain('wrong-secret');
  });

  test('a killed server is STORE_UNAVAILABLE, and fine after its restart', async () => {
    await using own = (await startMinio())!;
    const store = await openStore('s3://killed', own.env, { create: true, clock: quick });
    await store.create('k', bytesOf('x'));
    await own.kill();
    await expect(store.get('k')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('from AWS_ENDPOINT_URL'),
    });
    await own.restart();
    expect(await store.create('k', bytesOf('x'))).toBe('exists');
    expect(await keysOf(store, '')).toEqual(['k']);
  });

  test('folder markers of other tools are not listed', async () => {
    const store = await openStore('s3://markers/p', env, { create: true });
    await clientOf(minio!).putObject('markers', 'p/folder/', Buffer.alloc(0));
    await store.create('folder/k', bytesOf('x'));
    expect(await keysOf(store, '')).toEqual(['folder/k']);
    expect(await store.listNames('folder/')).toEqual(['k']);
  });
});
