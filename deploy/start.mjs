// `npm start`: `gristmill up` on the objects of the last quickstart, on whatever Node the machine has.
// In: the arguments, passed on. Out: its exit code.
// Why apart: see bootstrap.mjs.
import { launch, shellFolder } from './bootstrap.mjs';

const options = { cwd: shellFolder() };
await launch('deploy/cluster/main.ts', ['--last', ...process.argv.slice(2)], options);
