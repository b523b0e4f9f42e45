// What the gateway keeps on its own disk, so that it can start again while the store is away.
// In: bytes with their SHA-256. Out: paths of checked files, manifests, and the aliases last served.
// Why paths: a model travels to the children as a file name; no model's bytes lie in this process.
//
//   <scratch>/gateway-<environment>/blobs/<sha256>            model.onnx and golden rows
//                                   manifests/<model>@<n>.json
//                                   catalog.json               aliases served, and of which store
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GristmillError } from '../common/errors.ts';
import type { Signature } from '../common/stage/terms.ts';
import { parseStoredAs } from '../common/stored/stored.ts';
import type { Manifest } from '../common/wire/model.ts';
import { versionKey } from './catalog.ts';

/** A model as the children open it. */
export type ModelFile = {
  readonly sha256: string;
  readonly path: string;
  readonly signature: Signature;
};

export type SavedCatalog = {
  readonly formatVersion: 1;
  readonly store: string;
  readonly aliases: readonly {
    readonly model: string;
    readonly alias: string;
    readonly version: number;
  }[];
};

export class Files {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async open(scratch: string, environment: string): Promise<Files> {
    const dir = join(scratch, `gateway-${environment}`);
    try {
      for (const name of ['blobs', 'manifests']) await mkdir(join(dir, name), { recursive: true });
    } catch (error) {
      throw new GristmillError(
        'CONFIG_INVALID',
        `Cannot use ${dir} as scratch: ${(error as Error).message}, expected a folder to write in (GRISTMILL_SCRATCH)`,
        { cause: error },
      );
    }
    return new Files(dir);
  }

  /** The path of a blob whose bytes are right, or undefined; a file that has rotted is removed. */
  async find(sha256: string): Promise<string | undefined> {
    const path = this.#blobPath(sha256);
    const found = await hashOf(path);
    if (found === undefined) return undefined;
    if (found !== sha256) {
      await rm(path, { force: true });
      return undefined;
    }
    const now = new Date(); // its age decides what `prune` removes first
    await utimes(path, now, now).catch(() => {});
    return path;
  }

  /** Keeps a blob under its digest, checked on its way. */
  async keep(sha256: string, source: Readable, name: string): Promise<string> {
    const temp = this.#tempPath();
    const hash = createHash('sha256');
    try {
      await pipeline(
        source,
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            hash.update(chunk);
            yield chunk;
          }
        },
        (chunks: AsyncIterable<Buffer>) => writeFile(temp, chunks, { flush: true }),
      );
      const found = hash.digest('hex');
      if (found !== sha256) {
        throw new GristmillError(
          'CHECKSUM_MISMATCH',
          `Cannot use ${name}: its bytes have SHA-256 ${found}, expected ${sha256}`,
        );
      }
      await rename(temp, this.#blobPath(sha256));
    } finally {
      await rm(temp, { force: true });
    }
    return this.#blobPath(sha256);
  }

  readManifest(model: string, version: number): Promise<Manifest | undefined> {
    const path = this.#manifestPath(model, version);
    return orNothing(async () => parseStoredAs('manifest', path, await readFile(path)));
  }

  writeManifest(manifest: Manifest): Promise<void> {
    return this.#writeJson(this.#manifestPath(manifest.model, manifest.version), manifest);
  }

  /** What was served when this was last written; undefined where that was another store. */
  async readCatalog(store: string): Promise<SavedCatalog | undefined> {
    const saved = await readJson<SavedCatalog>(join(this.#dir, 'catalog.json'));
    return saved?.formatVersion === 1 && saved.store === store ? saved : undefined;
  }

  writeCatalog(catalog: SavedCatalog): Promise<void> {
    return this.#writeJson(join(this.#dir, 'catalog.json'), catalog);
  }

  /** Removes the blobs used longest ago, but none of `served` and not the newest `spare` others. */
  async prune(served: ReadonlySet<string>, spare: number): Promise<void> {
    const dir = join(this.#dir, 'blobs');
    const others = (await readdir(dir)).filter((name) => !served.has(name));
    const aged = await Promise.all(
      others.map(async (name) => ({
        name,
        ms: (await stat(join(dir, name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    aged.sort((a, b) => b.ms - a.ms);
    for (const { name } of aged.slice(spare)) await rm(join(dir, name), { force: true });
  }

  async #writeJson(path: string, value: unknown): Promise<void> {
    const temp = this.#tempPath();
    await writeFile(temp, JSON.stringify(value), { flush: true });
    await rename(temp, path);
  }

  #blobPath(sha256: string): string {
    return join(this.#dir, 'blobs', sha256);
  }

  #manifestPath(model: string, version: number): string {
    return join(this.#dir, 'manifests', `${versionKey(model, version)}.json`);
  }

  #tempPath(): string {
    return join(this.#dir, `.${randomBytes(8).toString('hex')}.tmp`);
  }
}

async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch {
    return undefined;
  }
  return hash.digest('hex');
}

const readJson = <T>(path: string): Promise<T | undefined> =>
  orNothing(async () => JSON.parse(await readFile(path, 'utf8')) as T);

/** What cannot be read or parsed is not there: scratch is a convenience, the store has it all. */
async function orNothing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch {
    return undefined;
  }
}
