// Paths of an image and patterns over them.
// In: paths as the Dockerfile writes them. Out: paths below a folder that stands for the image's root.
// Why a folder and not chroot: no right of root is needed, and the tools of this machine stand for those of the base image.
import { join as joinPath, posix } from 'node:path';

export const join = joinPath;

/** Where the image's `path` lies below `root`; a relative one is meant from `workdir`. */
export const inRoot = (root: string, path: string, workdir = '/'): string =>
  joinPath(root, posix.resolve('/', workdir, path));

/** Folders of the base image: what is named below them is this machine's. */
const BASE = ['bin', 'dev', 'etc', 'lib', 'lib64', 'proc', 'sbin', 'sys', 'usr'];

/** A shell's line in which absolute paths of the image are paths below `root`. */
export const mapLine = (root: string, line: string): string =>
  line.replace(/(?<=^|[\s=:'"(])\/([\w.-]+)/g, (path, first: string) =>
    BASE.includes(first) ? path : joinPath(root, path),
  );

/** One argument or value: a path of the image, or anything else as it is. */
export const mapWord = (root: string, word: string): string =>
  /^\/[\w.-]/.test(word) ? mapLine(root, word) : word;

/** Patterns of a .dockerignore: * and ? within a name, ** over folders. */
export function matchesGlob(path: string, pattern: string): boolean {
  const source = pattern
    .split(/(\*\*\/|\*\*|\*|\?)/)
    .map((piece) => WILD[piece] ?? piece.replace(/[.+^${}()|[\]\\]/g, '\\$&'))
    .join('');
  return new RegExp(`^${source}$`).test(path);
}

const WILD: Readonly<Record<string, string>> = {
  '**/': '(?:.*/)?',
  '**': '.*',
  '*': '[^/]*',
  '?': '[^/]',
};
