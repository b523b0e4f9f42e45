// What a build sees of a checkout: the files that git knows, less what the ignore file leaves out.
// In: a folder and the text of its .dockerignore. Out: paths.
// Why git: what only lies on this machine must not make a build work.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, matchesGlob } from './paths.ts';

/** Paths relative to `folder`, with "/" between. */
export function filesOf(folder: string, ignore: string): string[] {
  const isIn = readIgnore(ignore);
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const listed = execFileSync('git', args, { cwd: folder, maxBuffer: 2 ** 26 }).toString();
  return listed
    .split('\0')
    .filter((path) => path !== '' && isIn(path) && existsSync(join(folder, path)));
}

/** The last pattern that names a path or a folder above it decides; "!" lets it in again. */
export function readIgnore(text: string): (path: string) => boolean {
  const rules = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({
      lets: line.startsWith('!'),
      pattern: line.replace(/^!/, '').replace(/^\/+|\/+$/g, ''),
    }));
  return (path) => {
    const steps = path.split('/');
    const above = steps.map((_, index) => steps.slice(0, index + 1).join('/'));
    const last = rules.findLast(({ pattern }) => above.some((one) => matchesGlob(one, pattern)));
    return last ? last.lets : true;
  };
}
