// The checkout as the house tests see it: files, their text, what they import.
// In: the folders of the repository. Out: paths relative to its root. Why not git: an unpacked archive has the same rules.
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize, relative, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');
export const PARTS = ['common', 'coordinator', 'worker', 'gateway', 'cli', 'dashboard'] as const;
const FOLDERS = [...PARTS, 'deploy', 'test', '.ci'];

export type File = { readonly path: string; readonly text: string };

export const files: readonly File[] = FOLDERS.flatMap(walk)
  .concat(
    readdirSync(root, { withFileTypes: true })
      // .git is a file in a second worktree: it names this machine and is not part of the tree
      .filter((entry) => entry.isFile() && !['.git', 'package-lock.json'].includes(entry.name))
      .map(({ name }) => name),
  )
  .sort()
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const isCode = ({ path }: File): boolean => /\.(ts|mts|mjs)$/.test(path);
export const code = files.filter(isCode);
/** What runs in production. */
export const sources = code.filter(({ path }) => PARTS.some((part) => path.startsWith(`${part}/`)));
export const deploys = code.filter(({ path }) => path.startsWith('deploy/'));
export const tests = code.filter(({ path }) => path.startsWith('test/'));

export type Import = { readonly from: string; readonly to: string; readonly isPackage: boolean };

/** Static, dynamic and URL imports: files by path, packages by name. */
export function importsOf({ path, text }: File): Import[] {
  const found = new Set<string>();
  const patterns = [
    /^\s*(?:import|export)\s[^'"`;]*?from\s*'([^']+)'/gm,
    /^import\s*'([^']+)'/gm,
    /\bimport\(\s*'([^']+)'/g,
    /\brequire\(\s*'([^']+)'/g,
    /new URL\('(\.[^']+\.(?:ts|mjs))', import\.meta\.url\)/g,
  ];
  const told = withoutComments(text);
  for (const pattern of patterns) for (const [, name] of told.matchAll(pattern)) found.add(name!);
  return [...found].filter((name) => !isBuiltin(name)).map((name) => resolveImport(path, name));
}

function resolveImport(from: string, name: string): Import {
  if (name.startsWith('.'))
    return { from, to: normalize(join(dirname(from), name)), isPackage: false };
  const [scope, rest] = name.split('/');
  return { from, to: name.startsWith('@') ? `${scope}/${rest}` : scope!, isPackage: true };
}

const isBuiltin = (name: string): boolean =>
  name.startsWith('node:') || builtinModules.includes(name);

/** Code without comments and string contents, so that words in them break no rule. */
export const bareCode = (text: string): string =>
  withoutComments(text).replace(/'(?:[^'\\\n]|\\.)*'/g, "''");

export const withoutComments = (text: string): string =>
  text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, '')) // line numbers stay
    .replace(/(^|[\s;{}(),])\/\/[^\n]*/g, '$1');

export function linesWith(file: File, pattern: RegExp): string[] {
  return bareCode(file.text)
    .split('\n')
    .flatMap((line, i) => (pattern.test(line) ? [`${file.path}:${i + 1} ${line.trim()}`] : []));
}

function walk(folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  } catch {
    return []; // not there yet
  }
}
