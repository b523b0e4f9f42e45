// The types of bootstrap.mjs, for the TypeScript that imports it.
// In: nothing. Out: declarations, as bootstrap.mjs has them.
// Why apart: bootstrap.mjs must load on Node 20, which reads no TypeScript.
export const root: string;
export const home: string;
export const isCheckout: boolean;
export function shellFolder(): string;
export class SetupError extends Error {}
export function say(line: string): void;
export function launch(
  entry: string,
  args?: readonly string[],
  options?: { cwd?: string },
): Promise<void>;
export function finish(main: () => Promise<number>): Promise<void>;
export function install(): Promise<void>;
export function nodePath(): string;
export function environment(): Record<string, string | undefined>;
export function run(
  command: readonly string[],
  options?: { env?: Record<string, string | undefined>; output?: 'inherit'; cwd?: string },
): Promise<number>;

/** Whether npm has installed what the lockfile names. */
export function isInstalled(): boolean;
