// Which file a process or thread is started from: the TypeScript of a checkout, the JavaScript of a package.
// In: the URL of a `.ts` file beside the caller. Out: that file with the ending that the running code itself has.
// Why here and not in the URLs: `new URL('./thread.ts', import.meta.url)` stays a path that tests can follow.

export const entryOf = (source: URL): URL => entryAs(source, import.meta.url);

/** `running` is the URL of any module of ours. */
export function entryAs(source: URL, running: string): URL {
  return running.endsWith('.js') ? new URL(source.href.replace(/\.ts$/, '.js')) : source;
}
