// `npm run quickstart`, on whatever Node the machine has: installs what is missing, then deploy/quickstart/main.ts.
// In: the arguments, passed on. Out: its exit code.
// Why apart: see bootstrap.mjs.
import { launch } from './bootstrap.mjs';

await launch('deploy/quickstart/main.ts');
