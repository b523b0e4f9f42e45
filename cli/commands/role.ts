// `gristmill coordinator | worker | gateway`: one process of a cluster, in place.
// In: its GRISTMILL_* settings. Out: it ends when its process should; --help prints the settings.
// Why in place and not as a child: the first process of a container is the one that gets SIGTERM.
import { entryOf } from '../../common/entry.ts';
import { EXIT, type Run } from '../context.ts';

const MAINS: Readonly<Record<string, URL>> = {
  coordinator: new URL('../../coordinator/main.ts', import.meta.url),
  worker: new URL('../../worker/main.ts', import.meta.url),
  gateway: new URL('../../gateway/main.ts', import.meta.url),
};

export const run: Run = async ({ command }) => {
  await import(entryOf(MAINS[command]!).href); // resolves once the process may end, and mostly ends it
  return EXIT.done;
};
