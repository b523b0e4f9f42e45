// The environment of an expendable child: the few variables that engines and Node need, and nothing else.
// In: the host's environment, what the child is to load. Out: the child's.
// Why a list: whatever gets hold of the child may read /proc/self/environ, and the host's holds the keys to store and queue.
import type { Env } from '../config.ts';

/** What the child is told of its work, as GRISTMILL_CHILD. */
export type ChildSetup = {
  readonly thread: string;
  readonly resident: string | undefined;
  readonly threads: number;
};

/** Each is where files and libraries are, how text and time read, or a knob of an engine. None is a secret. */
const PASSED: readonly string[] = [
  'PATH',
  'HOME', // DuckDB and CUDA look for their caches there
  'TMPDIR',
  'TZ',
  'LANG',
  'LC_ALL',
  'LD_LIBRARY_PATH',
  'LD_PRELOAD', // an allocator, say
  'DYLD_LIBRARY_PATH',
  'NODE_OPTIONS',
  'NODE_COMPILE_CACHE',
  'NODE_V8_COVERAGE',
  'MALLOC_ARENA_MAX',
  'CUDA_VISIBLE_DEVICES',
  'VK_DRIVER_FILES',
];

export function childEnvironment(host: Env, setup: ChildSetup): NodeJS.ProcessEnv {
  const passed = PASSED.flatMap((name) => (host[name] === undefined ? [] : [[name, host[name]]]));
  return {
    ...Object.fromEntries(passed),
    // libuv's pool is where DuckDB waits and computes: a thread of it for each of ours, and some for files
    UV_THREADPOOL_SIZE: String(setup.threads + 4),
    GRISTMILL_CHILD: JSON.stringify(setup),
  };
}
