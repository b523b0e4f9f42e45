// A copy of the checkout in a folder of a test: what its programs write below .gristmill lies there, and not in ours.
// In: a folder. Out: the same folder, with the sources in it, and a link to the packages.
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PARTS = ['cli', 'common', 'coordinator', 'deploy', 'gateway', 'worker'];
const FILES = ['package.json', 'package-lock.json', 'tsconfig.json'];

export function copyOfCheckout(folder: string): string {
  for (const part of PARTS) cpSync(join(root, part), join(folder, part), { recursive: true });
  for (const file of FILES) cpSync(join(root, file), join(folder, file));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
