// One large file into one object: parts that can be sent again, and a create-only completion.
// In: a local file. Out: an upload that continues where a failed attempt stopped.
// Why If-None-Match on the completion: it is the call that makes the object appear.
// Why parts have a budget of retries of their own: 160 GB through 1 % of 503 must not fail for their size.
import * as fs from 'node:fs/promises';
import type { Client } from 'minio';
import { LIMITS } from '../limits.ts';
import { eachOf } from './each.ts';
import { PassingError, s3CodeOf } from './s3-errors.ts';

export type Parts = {
  /** Sends what is missing and completes. Throws what the completion throws. */
  send(bytes: number): Promise<void>;
  /** Aborts an upload that was not completed. */
  drop(): Promise<void>;
};

type Ride = <T>(act: string, attempt: () => Promise<T>) => Promise<T>;
type Place = { readonly bucket: string; readonly key: string; readonly path: string };

export function uploadInParts(client: Client, { bucket, key, path }: Place, ride: Ride): Parts {
  let uploadId: string | undefined;
  let etags: (string | undefined)[] = [];

  const sendPart = async (file: fs.FileHandle, id: string, part: PartRange): Promise<void> => {
    const buffer = Buffer.alloc(part.length);
    const { bytesRead } = await file.read(buffer, 0, part.length, part.offset);
    if (bytesRead !== part.length) throw new PassingError(`${path} became shorter`);
    const partNumber = part.index + 1;
    const to = { bucketName: bucket, objectName: key, uploadID: id, partNumber, headers: {} };
    etags[part.index] = (
      await ride(`send part ${partNumber} of ${key}`, () => client.uploadPart(to, buffer))
    ).etag;
  };

  return {
    send: async (bytes) => {
      uploadId ??= await ride(`begin an upload of ${key}`, () =>
        client.initiateNewMultipartUpload(bucket, key, {}),
      );
      const id = uploadId;
      const parts = partsOf(bytes).filter((part) => etags[part.index] === undefined);
      const file = await fs.open(path, 'r');
      try {
        await eachOf(parts, LIMITS.partUploadsMax, (part) => sendPart(file, id, part));
      } finally {
        await file.close();
      }
      try {
        await complete(client, { bucket, key, uploadId: id, etags: etags as string[] });
        uploadId = undefined;
      } catch (error) {
        if (s3CodeOf(error) === 'NoSuchUpload') {
          uploadId = undefined; // completed by an earlier attempt, or thrown away: send it anew
          etags = [];
        }
        throw error;
      }
    },
    drop: async () => {
      if (uploadId !== undefined) await client.abortMultipartUpload(bucket, key, uploadId);
      uploadId = undefined;
    },
  };
}

type PartRange = { readonly index: number; readonly offset: number; readonly length: number };

function partsOf(bytes: number): PartRange[] {
  const size = Math.max(LIMITS.partBytes, Math.ceil(bytes / LIMITS.partsMax));
  return Array.from({ length: Math.ceil(bytes / size) }, (_, index) => ({
    index,
    offset: index * size,
    length: Math.min(size, bytes - index * size),
  }));
}

/** The completion by hand: the client's own sends no If-None-Match. */
async function complete(
  client: Client,
  of: { bucket: string; key: string; uploadId: string; etags: readonly string[] },
): Promise<void> {
  const parts = of.etags.map(
    (etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`,
  );
  const response = await client.makeRequestAsync(
    {
      method: 'POST',
      bucketName: of.bucket,
      objectName: of.key,
      query: `uploadId=${encodeURIComponent(of.uploadId)}`,
      headers: { 'if-none-match': '*', 'content-type': 'application/xml' },
    },
    `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`,
  );
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk as string;
  const code = /<Error>[\s\S]*<Code>(\w+)<\/Code>/.exec(body)?.[1]; // an error may wear a 200
  if (code !== undefined) throw Object.assign(new Error(`S3 says ${code}`), { code });
  if (!body.includes('<ETag>')) throw new PassingError('an answer without an ETag');
}
