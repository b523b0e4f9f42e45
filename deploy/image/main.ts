// Runs the Dockerfile's steps into a folder, without Docker, and says how to start what came out.
// In: the folder, empty or absent. Out: its stages; words on standard output. `node deploy/image/main.ts FOLDER`
// Why by hand too: who changes the Dockerfile sees in half a minute what a builder would say.
import { resolve } from 'node:path';
import { finish, root, SetupError, say } from '../bootstrap.mjs';
import { buildImage, readBuild, startOf } from './steps.ts';

const HELP = `Usage: node deploy/image/main.ts FOLDER

Runs every step of deploy/Dockerfile below FOLDER, which must be empty or absent. This machine's
Node, npm and shell stand for those of the base image; no right of root is needed.
`;

await finish(async () => {
  const [folder] = process.argv.slice(2);
  if (folder === '--help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (!folder) throw new SetupError(`Cannot build: no folder was named.\n${HELP}`);
  const image = await buildImage({
    ...readBuild(root),
    folder: resolve(folder),
    env: process.env,
    onStep: (stage, { instruction, text }) => say(`${stage}: ${instruction} ${text.slice(0, 90)}`),
  });
  const { command, env, cwd } = startOf(image, []);
  process.stdout.write(`${JSON.stringify({ cwd, command, env }, undefined, 2)}\n`);
  return 0;
});
