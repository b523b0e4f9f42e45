// What `npm pack` packs: `prepack` runs this. Emits the JavaScript of all processes below dist/, for Node 20 and newer.
// In: the checkout. Out: dist/ anew: modules, what is started by path (.mjs), example jobs, the types of the HTTP client.
// Why emitted: Node strips no types below node_modules, and Node 20 none at all.
// Flow: install → tsc with tsconfig.package.json → types of the client only → .mjs and .json beside
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { finish, install, nodePath, root, run, SetupError, say } from './bootstrap.mjs';

const dist = join(root, 'dist');
/** Started by path, or read: what tsc does not emit. */
const COPIED = [
  'deploy/bootstrap.mjs',
  'deploy/binaries.mjs',
  'deploy/cluster/guard.mjs',
  'deploy/examples',
];
/** What others may import: package.json has it under `exports`. */
const TYPED = ['cli/client.d.ts'];

await finish(async () => {
  await install();
  rmSync(dist, { recursive: true, force: true });
  const tsc = [nodePath(), 'node_modules/.bin/tsc', '-p', 'tsconfig.package.json'];
  const code = await run(tsc, { output: process.stderr }); // `npm pack --json` owns the standard output
  if (code !== 0) {
    throw new SetupError(
      `Cannot pack: tsc ended with code ${code}, expected 0; its output says why`,
    );
  }
  keepTypes();
  for (const path of COPIED) {
    mkdirSync(dirname(join(dist, path)), { recursive: true });
    cpSync(join(root, path), join(dist, path), { recursive: true });
  }
  say(`dist: ${walk(dist).length} files`);
  return 0;
});

/** Removes declarations that nobody can reach; the others name what lies beside them: JavaScript. */
function keepTypes() {
  const kept = new Set(TYPED.map((path) => join(dist, path)));
  for (const path of kept) {
    if (!existsSync(path)) throw new SetupError(`Cannot pack: no types at ${relative(root, path)}`);
    const named = /((?:from |import\()['"]\.[^'"]+)\.ts(?=['"])/g;
    const text = readFileSync(path, 'utf8').replaceAll(named, '$1.js');
    writeFileSync(path, text);
    for (const [, to] of text.matchAll(/(?:from |import\()['"](\.[^'"]+)\.js['"]/g)) {
      kept.add(join(dirname(path), `${to}.d.ts`));
    }
  }
  for (const path of walk(dist)) {
    if (path.endsWith('.d.ts') && !kept.has(path)) rmSync(path);
  }
}

function walk(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}
