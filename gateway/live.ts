// The versions that can answer now, and who still needs them.
// In: aliases moving, requests coming and going. Out: a version to answer with, let go when its last request is done.
// Why counting: a swap is two assignments; the old session ends by itself, and no request ever sees it go.
//
//   refs of a version = aliases that name it + 1 while it is held on demand + requests in flight; at 0 it is dropped
import assert from 'node:assert';
import type { Manifest } from '../common/wire/model.ts';
import { aliasKey, versionKey } from './catalog.ts';
import type { ModelFile } from './files.ts';

export type Held = {
  readonly manifest: Manifest;
  readonly file: ModelFile;
  refs: number;
};

export type LiveOptions = {
  /** Opens a file wherever it shall run. */
  readonly hold: (file: ModelFile) => Promise<void>;
  readonly drop: (sha256: string) => void;
  readonly onDemandMax: number;
};

export class Live {
  readonly #options: LiveOptions;
  readonly #aliases = new Map<string, Held>();
  readonly #versions = new Map<string, Held>();
  readonly #onDemand = new Map<string, Held>(); // the one used longest ago first
  readonly #fileRefs = new Map<string, number>(); // by sha256: two versions may be one file

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  byAlias(model: string, alias: string): Held | undefined {
    return this.#aliases.get(aliasKey(model, alias));
  }

  byVersion(model: string, version: number): Held | undefined {
    return this.#versions.get(versionKey(model, version));
  }

  get versions(): readonly Held[] {
    return [...this.#versions.values()];
  }

  get files(): ReadonlySet<string> {
    return new Set(
      [...this.#versions.values()].flatMap(({ manifest }) => [
        manifest.onnx.sha256,
        manifest.golden.sha256,
      ]),
    );
  }

  /** Opens a proved file and makes it findable by its version. The caller owns one reference. */
  async add(manifest: Manifest, file: ModelFile): Promise<Held> {
    this.#fileRefs.set(file.sha256, (this.#fileRefs.get(file.sha256) ?? 0) + 1);
    await this.#options.hold(file);
    const held: Held = { manifest, file, refs: 1 };
    this.#versions.set(versionKey(manifest.model, manifest.version), held);
    return held;
  }

  /** From the next request on the alias is this version. */
  setAlias(model: string, alias: string, held: Held | undefined): void {
    const key = aliasKey(model, alias);
    const former = this.#aliases.get(key);
    if (held) this.#aliases.set(key, this.take(held));
    else this.#aliases.delete(key);
    if (former) this.release(former);
  }

  /** Keeps a version that no alias names, at the cost of the one used longest ago. */
  keepOnDemand(held: Held): void {
    const key = versionKey(held.manifest.model, held.manifest.version);
    const former = this.#onDemand.get(key);
    this.#onDemand.delete(key);
    this.#onDemand.set(key, this.take(held));
    if (former) this.release(former);
    for (const [oldest, other] of this.#onDemand) {
      if (this.#onDemand.size <= this.#options.onDemandMax) break;
      this.#onDemand.delete(oldest);
      this.release(other);
    }
  }

  /** Whether some alias names it. */
  isNamed(held: Held): boolean {
    return [...this.#aliases.values()].includes(held);
  }

  take(held: Held): Held {
    held.refs += 1;
    return held;
  }

  release(held: Held): void {
    assert(held.refs > 0, 'a version is released once for each time it was taken');
    held.refs -= 1;
    if (held.refs > 0) return;
    const { manifest, file } = held;
    const key = versionKey(manifest.model, manifest.version);
    if (this.#versions.get(key) === held) this.#versions.delete(key);
    const files = this.#fileRefs.get(file.sha256)! - 1;
    if (files > 0) {
      this.#fileRefs.set(file.sha256, files);
      return;
    }
    this.#fileRefs.delete(file.sha256);
    this.#options.drop(file.sha256);
  }
}
