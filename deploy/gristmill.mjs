// `npm run gristmill -- COMMAND`, on whatever Node the machine has: installs what is missing, then cli/main.ts.
// In: the command's words, passed on. Out: its exit code.
// Why in the shell's folder: relative files are meant from where a person typed.
import { launch, shellFolder } from './bootstrap.mjs';

await launch('cli/main.ts', process.argv.slice(2), { cwd: shellFolder() });
