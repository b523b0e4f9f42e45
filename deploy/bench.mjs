// `npm run bench`, on whatever Node the machine has: installs what is missing, then test/bench/main.ts.
// In: the arguments, passed on. Out: its exit code.
// Why apart: see bootstrap.mjs.
import { launch } from './bootstrap.mjs';

await launch('test/bench/main.ts');
